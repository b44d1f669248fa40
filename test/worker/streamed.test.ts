/**
 * The streamed spine inside workerd with ports of the test's own: what a bug leaves behind, and what a stream says that
 * had to be opened before anybody answered.
 */
import { expect, test } from "vitest";
import { asAccountId, asGenerationId, asKeyHash, asRequestId } from "../../src/core/ids.ts";
import { ok } from "../../src/core/result.ts";
import type { Dialect } from "../../src/dialects/dialect.ts";
import { openAiChat } from "../../src/dialects/openai-chat.ts";
import { faceOfFailure } from "../../src/http/error-exhausted.ts";
import { faceOf } from "../../src/http/respond.ts";
import { createWideEvent } from "../../src/insight/wide-event.ts";
import { DEADLINES } from "../../src/router/deadlines.ts";
import { generate } from "../../src/router/generate.ts";
import type { GenerateInput, Generated } from "../../src/router/job.ts";
import type { RouterPorts } from "../../src/router/ports.ts";
import { COMMIT_MS } from "../../src/router/streamed.ts";
import { entryOf, NOW } from "../unit/router/world.ts";

const FRAMES = [
  '{"id":"u","choices":[{"index":0,"delta":{"content":"Hello"}}]}',
  '{"id":"u","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
  "[DONE]",
];

/** Ports whose one upstream answers after `waitMs`; what is settled goes to `settled`. */
function portsOf(waitMs: number, settled: bigint[]): RouterPorts {
  return {
    clock: () => NOW,
    randomBytes: (length) => new Uint8Array(length),
    deadlines: DEADLINES,
    waitUntil: (work) => void work.catch(() => undefined),
    resolve: async () => {
      const entry = entryOf("test/m", [{ tag: "a" }]);
      return ok({ entry, version: "v1", thinking: false, isFree: false, warnings: ["The route has a warning."] });
    },
    fetch: async () => {
      await new Promise<void>((resolve) => setTimeout(resolve, waitMs));
      const body = FRAMES.map((data) => `data: ${data}\n\n`).join("");
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    },
    accounts: {
      admit: async () => ({ kind: "admitted", holdNusd: 1_000_000_000n, expiresAtMs: NOW + 60_000, accountName: "T" }),
      settle: async (_account, { costNusd }) => {
        settled.push(costNusd);
        return true;
      },
      renew: async () => undefined,
      forget: () => undefined,
    },
    providers: {
      warm: () => null,
      health: () => undefined,
      switchedOff: () => new Set(),
      withCredential: (slugs) => new Set(slugs),
      credential: () => ({ secret: "secret", baseUrl: null }),
      report: () => undefined,
      mayProbe: () => false,
      permit: async () => ({ kind: "granted", done: () => undefined }),
    },
  };
}

function inputOf(dialect: Dialect): GenerateInput {
  // The endpoint of this world does not take `top_k`.
  const body = { model: "test/m", stream: true, top_k: 5, messages: [{ role: "user", content: "Hi" }] };
  const parsed = openAiChat.parse(body);
  if (!parsed.ok) throw new Error("the request is not one");
  return {
    dialect,
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

async function textOf(generated: Generated): Promise<string> {
  if (generated.kind !== "stream") throw new Error(`no stream but ${generated.kind}`);
  return await new Response(generated.body).text();
}

test("a bug in the renderer ends the stream with one error event, settled and closed", async () => {
  const settled: bigint[] = [];
  const broken: Dialect = {
    ...openAiChat,
    createStreamRenderer: (head) => ({
      ...openAiChat.createStreamRenderer(head),
      render() {
        throw new Error("a bug");
      },
    }),
  };
  const text = await textOf(await generate(inputOf(broken), portsOf(0, settled)));
  expect(text.match(/"finish_reason":"error"/g)).toHaveLength(1);
  expect(text).not.toContain("a bug");
  expect(settled).toHaveLength(1);
});

test("a stream opened before anybody answered names the route's warnings above and the endpoint's within", async () => {
  const settled: bigint[] = [];
  const generated = await generate(inputOf(openAiChat), portsOf(COMMIT_MS + 500, settled));
  expect(generated).toMatchObject({
    headers: { "X-Waypost-Warning": expect.stringContaining("The route has a warning.") },
  });
  const text = await textOf(generated);
  expect(text).toMatch(/^: WAYPOST WARNING .*top_k/m);
  expect(text).toContain('"content":"Hello"');
  expect(text).toContain("data: [DONE]");
  expect(settled).toHaveLength(1);
}, 20_000);
