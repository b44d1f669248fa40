/** One request on the spine with ports of the test's own: a free world with one endpoint, settlements on record. */
import { asAccountId, asGenerationId, asKeyHash, asRequestId } from "../../../src/core/ids.ts";
import { err, ok } from "../../../src/core/result.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { faceOfFailure } from "../../../src/http/error-exhausted.ts";
import { faceOf } from "../../../src/http/respond.ts";
import { createWideEvent } from "../../../src/insight/wide-event.ts";
import type { Permit } from "../../../src/gates/provider-permits.ts";
import { createAccessTokens } from "../../../src/providers/access-tokens.ts";
import { DEADLINES } from "../../../src/router/deadlines.ts";
import type { GenerateInput } from "../../../src/router/job.ts";
import type { RouterPorts } from "../../../src/router/ports.ts";
import { entryOf, NOW } from "./world.ts";

/** Nobody has credentials of its own. */
export const NO_OWN: RouterPorts["byok"] = {
  known: () => ({ token: "", feeBps: 0, credentials: [] }),
  take: () => {
    throw new Error("nothing was granted");
  },
  refresh: async () => null,
  note: () => undefined,
  isCooling: () => false,
};

/** Nothing is signed. */
export const NO_STATE: RouterPorts["providerState"] = {
  seal: () => {
    throw new Error("nothing was to be sealed");
  },
  open: async () => null,
  keep: () => {
    throw new Error("nothing was to be kept");
  },
  read: async () => ({ states: new Map(), isZeroRetention: false }),
};

/** Leave to send `secret`. */
export function permitOf(secret: string, done: () => void = () => undefined, id = "environment-1"): Permit {
  const credential = { id, secret, baseUrl: null };
  return { kind: "granted", credential, inFlight: () => 1, done, used: () => undefined };
}

/** Ports whose `log` takes `settle <nano-dollars>`, `renew` and `forget`; the upstream says "Hello". */
export function portsOf(log: string[]): RouterPorts {
  return {
    clock: () => NOW,
    randomBytes: (length) => new Uint8Array(length),
    deadlines: DEADLINES,
    accessTokens: createAccessTokens(() => NOW),
    waitUntil: (work) => void work.catch(() => undefined),
    resolve: async () =>
      ok({ entry: entryOf("test/m", [{ tag: "a" }]), version: "v1", thinking: false, isFree: false, warnings: [] }),
    menu: async () => ok([]),
    openMedia: async () => err("no media here"),
    fetch: async () =>
      Response.json({
        choices: [{ index: 0, message: { content: "Hello" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 1, completion_tokens: 1 },
      }),
    accounts: {
      admit: async () => ({ kind: "admitted", holdNusd: 1_000_000n, expiresAtMs: NOW + 60_000, lease: null }),
      settle: async (_account, { costNusd }) => {
        log.push(`settle ${costNusd}`);
        return true;
      },
      extend: async () => 1_000_000n,
      renew: async () => void log.push("renew"),
      forget: () => void log.push("forget"),
      abandon: () => undefined,
      isTrusted: () => false,
      distrust: async () => undefined,
      keep: async () => undefined,
    },
    byok: NO_OWN,
    providerState: NO_STATE,
    providers: {
      warm: () => null,
      health: () => undefined,
      switchedOff: () => new Set(),
      withCredential: (slugs) => new Set(slugs),
      baseUrl: () => null,
      report: () => undefined,
      mayProbe: () => false,
      permit: () => permitOf("secret-of-a"),
    },
  };
}

/** A request of `body`, which names the model `test/m`. */
export function inputOf(body: Record<string, unknown> = {}): GenerateInput {
  const parsed = openAiChat.parse({ model: "test/m", messages: [{ role: "user", content: "Hi" }], ...body });
  if (!parsed.ok) throw new Error("the request is not one");
  return {
    dialect: openAiChat,
    parsed: parsed.value,
    asker: {
      account: asAccountId("gl10000000000abc"),
      keyHash: asKeyHash("a".repeat(64)),
      requestId: asRequestId("req-1"),
      generationId: asGenerationId("gen-1"),
      receivedAtMs: NOW,
      httpReferer: null,
      appTitle: null,
      origin: null,
      userAgent: null,
      externalUser: null,
      sessionId: null,
      clientPlace: null,
    },
    home: "gl",
    place: null,
    userHash: null,
    wantsMetadata: false,
    refusesClamp: false,
    signal: new AbortController().signal,
    wide: createWideEvent(
      NOW,
      () => NOW,
      () => undefined,
    ),
    faceOf,
    faceOfFailure,
  };
}
