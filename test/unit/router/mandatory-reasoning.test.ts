/** A request that switches reasoning off, and models that cannot do without it. */
import { expect, test } from "vitest";
import { asAccountId, asKeyHash, asRequestId } from "../../../src/core/ids.ts";
import { ok } from "../../../src/core/result.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { routeOf } from "../../../src/router/route.ts";
import type { RouterPorts } from "../../../src/router/ports.ts";
import { NO_OWN, NO_STATE } from "./spine.ts";
import { entryOf, NOW } from "./world.ts";

const MESSAGE = "Reasoning is mandatory for this endpoint and cannot be disabled.";

type RoutePorts = Parameters<typeof routeOf>[1];

const unused = (): never => {
  throw new Error("routing does not do this");
};
const ports: RoutePorts = {
  clock: () => NOW,
  randomBytes: unused,
  accessTokens: { get: unused, drop: unused },
  deadlines: { headersMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 },
  waitUntil: unused,
  fetch: unused,
  openMedia: unused,
  menu: unused,
  resolve: async (name) =>
    ok({
      entry: entryOf(name, [{ tag: "a" }], { reasoning_mandatory: name.startsWith("think/") }),
      version: "v1",
      thinking: false,
      isFree: false,
      warnings: [],
    }),
  accounts: {
    admit: unused,
    settle: unused,
    extend: unused,
    renew: unused,
    forget: unused,
    abandon: unused,
    isTrusted: unused,
    distrust: unused,
    keep: unused,
  },
  byok: NO_OWN,
  providerState: NO_STATE,
  providers: {
    warm: () => null,
    health: () => undefined,
    switchedOff: () => new Set(),
    withCredential: (slugs) => new Set(slugs),
    baseUrl: unused,
    report: unused,
    mayProbe: unused,
    permit: unused,
  },
} satisfies RouterPorts;

async function route(models: readonly string[], body: Record<string, unknown>) {
  const parsed = openAiChat.parse({ models, messages: [{ role: "user", content: "Hi" }], ...body });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return await routeOf(
    {
      parsed: parsed.value,
      attachments: null,
      account: asAccountId("gl10000000000abc"),
      home: "gl",
      requestId: asRequestId("req-1"),
      place: null,
      keyHash: asKeyHash("a".repeat(64)),
      byok: NO_OWN.known(asAccountId("gl10000000000abc")),
    },
    ports,
  );
}

test.each([
  { body: { reasoning: { effort: "none" } } },
  { body: { reasoning_effort: "none" } },
  { body: { reasoning: { enabled: false } } },
])("$body is refused where every model must reason", async ({ body }) => {
  const refused = { ok: false, error: { kind: "bad_request", message: MESSAGE, path: "reasoning" } };
  expect(await route(["think/one"], body)).toMatchObject(refused);
  expect(await route(["think/one", "think/two"], body)).toMatchObject(refused);
});

test.each([
  { body: {} },
  { body: { reasoning: { effort: "low" } } },
  { body: { reasoning: { enabled: true } } },
  { body: { reasoning: { exclude: true } } },
  { body: { reasoning: { effort: "high", enabled: false } } },
])("$body is no trouble for a model that must reason", async ({ body }) => {
  const routed = await route(["think/one"], body);
  expect(routed.ok && routed.value.modelIds).toEqual(["think/one"]);
});

test("of several models those that must reason are left out, with a word", async () => {
  const routed = await route(["think/one", "plain/two"], { reasoning: { effort: "none" } });
  expect(routed.ok && routed.value.modelIds).toEqual(["plain/two"]);
  expect(routed.ok && routed.value.warnings).toContain("think/one was not tried: it cannot do without reasoning.");
});
