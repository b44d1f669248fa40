/**
 * Providers' state of tool calls inside workerd, through the whole house: a client of chat completions that keeps nothing of
 * an answer but each call's id, name and arguments goes on for two rounds of tools, and the provider sees every signature
 * as it gave it.
 */
import { env, exports } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { parseCatalog } from "../../src/catalog/parse.ts";
import { publish } from "../../src/catalog/publish.ts";
import { asKeyHash } from "../../src/core/ids.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { KEPT_MS, TOTAL_BYTES_MAX } from "../../src/gates/account-provider-state.ts";
import { STATE_BYTES_MAX } from "../../src/gates/account-provider-state-contract.ts";
import { ADAPTERS } from "../../src/providers/registry.ts";
import { setClock, USD } from "./account-setup.ts";
import { ask, newTenant, type Tenant } from "./fixture.ts";

const SOURCE = "test/worker";
const SHORT = "CtwBAVSoXO5x/2+9a==";
/** As much as an id holds, nearly. */
const NEARLY = btoa(String.fromCharCode(...new Uint8Array(610).map((_, at) => (at * 31) % 256)));
/** Beyond what an id holds, and no base64. */
const LONG = "Größe \u{1f324} ".repeat(300);

interface Sent {
  readonly url: string;
  readonly body: string;
}
let sent: Sent[];
/** What the upstream answers, in order. */
let answers: unknown[];

const provider = (slug: string, adapter: string, quirks: object = {}) => ({
  quirks,
  slug,
  name: slug.toUpperCase(),
  adapter,
  base_url: `https://${slug}.test/v1`,
  regions: [{ id: "fra", latitude: 50.11, longitude: 8.68, country: "DE", jurisdiction: "eu", source: SOURCE }],
  data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: SOURCE },
  cancellation: { policy: "stops", source: SOURCE },
  headquarters: "DE",
});
const model = (id: string, slug: string, upstream: string) => ({
  id,
  canonical_slug: id,
  name: id,
  created_s: 1_790_000_000,
  input_modalities: ["text"],
  output_modalities: ["text"],
  endpoints: [
    {
      tag: slug,
      provider: slug,
      upstream_model: upstream,
      price: { prompt: 100_000, completion: 200_000 },
      price_source: SOURCE,
      context_length: 128_000,
      max_completion_tokens: 16_000,
      supported_parameters: ["max_tokens", "tools", "reasoning"],
      input_modalities: ["text"],
    },
  ],
});

beforeAll(async () => {
  const parsed = parseCatalog(
    {
      version: 1,
      providers: [
        provider("google", "gemini"),
        provider("claude", "anthropic"),
        provider("plain", "openai-compatible"),
        provider("seeker", "openai-compatible", { reasoning_echo: "reasoning_content" }),
      ],
      models: [
        model("google/thinker", "google", "gemini-3-pro-preview"),
        model("claude/thinker", "claude", "claude-sonnet-4-5"),
        model("plain/talker", "plain", "wood"),
        model("seeker/thinker", "seeker", "wood"),
      ],
    },
    ADAPTERS,
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  await publish(parsed.value, env.CATALOG, Date.now());
  for (const slug of ["google", "claude", "plain", "seeker"]) {
    await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, { credential: `key-of-${slug}-0123456789` });
  }
});
beforeEach(() => {
  sent = [];
  answers = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const body = await new Response(init.body as BodyInit).text();
    sent.push({ url, body });
    const answer = answers.shift() ?? {};
    if (!body.includes('"stream":true') && !url.includes("streamGenerate")) return Response.json(answer);
    // Each event of a list is a frame.
    const frames = (answer as readonly { readonly type?: string }[]).map(
      (event) => `${event.type === undefined ? "" : `event: ${event.type}\n`}data: ${JSON.stringify(event)}\n\n`,
    );
    return new Response(frames.join(""), { headers: { "Content-Type": "text/event-stream" } });
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

interface Call {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}
interface Heard {
  readonly status: number;
  readonly calls: readonly Call[];
  readonly warning: string;
}

const TOOLS = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }];
const HELLO = { role: "user", content: "What is there?" };

/** Asks, and keeps of the answer what such a client keeps. */
async function heard(
  tenant: Tenant,
  name: string,
  messages: readonly unknown[],
  more: Record<string, unknown> = {},
): Promise<Heard> {
  const body = { model: name, messages, tools: TOOLS, max_tokens: 8_000, reasoning: { max_tokens: 2_000 }, ...more };
  const answer = await ask("POST", "/chat/completions", tenant.key, body);
  const { choices } = answer.body as { choices?: readonly { message: { tool_calls?: readonly Call[] } }[] };
  const calls = choices?.[0]?.message.tool_calls ?? [];
  const warning = answer.headers.get("X-Waypost-Warning") ?? "";
  return {
    status: answer.status,
    calls: calls.map(({ id, type, function: called }) => ({ id, type, function: called })),
    warning,
  };
}

const turn = ({ calls }: Heard): readonly unknown[] => [
  { role: "assistant", content: null, tool_calls: calls },
  ...calls.map(({ id }, at) => ({ role: "tool", tool_call_id: id, content: `result ${at}` })),
];

const geminiAnswer = (...signatures: readonly (string | null)[]) => ({
  candidates: [
    {
      content: {
        role: "model",
        parts: signatures.map((signature, at) => ({
          functionCall: { id: `fc-${at}-${signatures.length}`, name: "look", args: { at } },
          ...(signature === null ? {} : { thoughtSignature: signature }),
        })),
      },
      finishReason: "STOP",
    },
  ],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5 },
});

const thinking = (signature: string) => [
  { type: "thinking", thinking: "Let me see…\nhm.", signature },
  { type: "redacted_thinking", data: `secret ${signature}` },
];
const claudeAnswer = (signature: string, ...ids: readonly string[]) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  content: [
    ...thinking(signature),
    { type: "text", text: "I look." },
    ...ids.map((id, at) => ({ type: "tool_use", id, name: "look", input: { at } })),
  ],
  stop_reason: "tool_use",
  usage: { input_tokens: 10, output_tokens: 5 },
});

interface GeminiPart {
  readonly functionCall?: { readonly id: string };
  readonly thoughtSignature?: string;
}
const signaturesSent = (): readonly (readonly [string, string | undefined])[] => {
  const { contents } = JSON.parse(sent.at(-1)?.body ?? "{}") as {
    contents: readonly { parts: readonly GeminiPart[] }[];
  };
  return contents.flatMap(({ parts }) =>
    parts.flatMap(({ functionCall, thoughtSignature }): [string, string | undefined][] =>
      functionCall === undefined ? [] : [[functionCall.id, thoughtSignature]],
    ),
  );
};
const assistantTurnsSent = (): readonly unknown[] => {
  const { messages } = JSON.parse(sent.at(-1)?.body ?? "{}") as {
    messages: readonly { role: string; content: unknown }[];
  };
  return messages.filter(({ role }) => role === "assistant").map(({ content }) => content);
};
const keptStates = async ({ gate }: Tenant): Promise<number> =>
  await runInDurableObject(gate, (_gate: AccountGate, { storage }) => {
    const isThere = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'provider_states'").toArray().length > 0;
    return isThere ? Number(storage.sql.exec("SELECT COUNT(*) AS n FROM provider_states").one()["n"]) : 0;
  });

test.each([
  { name: "in the ids", signature: SHORT, kept: 0 },
  { name: "in ids of nearly a kilobyte", signature: NEARLY, kept: 0 },
  { name: "in the account's gate", signature: LONG, kept: 1 },
])("Gemini sees its signatures in two rounds of a client that drops them: $name", async ({ signature, kept }) => {
  const tenant = await newTenant(USD);
  answers = [geminiAnswer(signature, null, `${SHORT}2`), geminiAnswer(`${SHORT}3`), geminiAnswer(null)];
  const first = await heard(tenant, "google/thinker", [HELLO]);
  expect(first.calls).toHaveLength(3);
  for (const { id } of first.calls) expect(id).toMatch(/^[\w-]{1,1024}$/);
  const second = await heard(tenant, "google/thinker", [HELLO, ...turn(first)]);
  const once = [
    ["fc-0-3", signature],
    ["fc-1-3", undefined],
    ["fc-2-3", `${SHORT}2`],
  ];
  expect(signaturesSent()).toEqual(once);
  expect(second.warning).toBe("");
  await heard(tenant, "google/thinker", [HELLO, ...turn(first), ...turn(second)]);
  expect(signaturesSent()).toEqual([...once, ["fc-0-1", `${SHORT}3`]]);
  // The answers of the tools name the calls as the provider does.
  expect(sent.at(-1)?.body).not.toContain("_wps1");
  await vi.waitFor(async () => expect(await keptStates(tenant)).toBe(kept), { timeout: 15_000 });
});

test.each([
  { name: "in the id", signature: SHORT },
  { name: "in the account's gate", signature: LONG },
])(
  "Anthropic sees thinking, signature and redacted blocks, before the call they led to: $name",
  async ({ signature }) => {
    const tenant = await newTenant(USD);
    answers = [
      claudeAnswer(signature, "toolu_1", "toolu_2"),
      claudeAnswer(`${SHORT}2`, "toolu_3"),
      claudeAnswer(SHORT),
    ];
    const first = await heard(tenant, "claude/thinker", [HELLO]);
    expect(first.calls.map(({ id }) => id.slice(0, 7))).toEqual(["toolu_1", "toolu_2"]);
    // What came before it went with the first call.
    expect(first.calls[1]?.id).toBe("toolu_2");
    const second = await heard(tenant, "claude/thinker", [HELLO, ...turn(first)]);
    const use = (id: string, at: number) => ({ type: "tool_use", id, name: "look", input: { at } });
    const once = [...thinking(signature), use("toolu_1", 0), use("toolu_2", 1)];
    expect(assistantTurnsSent()).toEqual([once]);
    await heard(tenant, "claude/thinker", [HELLO, ...turn(first), ...turn(second)]);
    expect(assistantTurnsSent()).toEqual([once, [...thinking(`${SHORT}2`), use("toolu_3", 0)]]);
    expect(sent.at(-1)?.body).not.toContain("_wps1");
  },
);

test("a stream gives the same ids, and the text that stood between keeps its place", async () => {
  const tenant = await newTenant(USD);
  const [thought] = thinking(SHORT);
  answers = [
    [
      { type: "message_start", message: { id: "m", usage: { input_tokens: 10, output_tokens: 1 } } },
      { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Let me see…" } },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "\nhm." } },
      { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: SHORT } },
      { type: "content_block_stop", index: 0 },
      { type: "content_block_start", index: 1, content_block: { type: "text", text: "I look." } },
      { type: "content_block_stop", index: 1 },
      {
        type: "content_block_start",
        index: 2,
        content_block: { type: "tool_use", id: "toolu_1", name: "look", input: {} },
      },
      { type: "content_block_stop", index: 2 },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 5 } },
      { type: "message_stop" },
    ],
    claudeAnswer(SHORT),
  ];
  const response = await exports.default.fetch(
    new Request("https://waypost.test/api/v1/chat/completions", {
      method: "POST",
      headers: { Authorization: `Bearer ${tenant.key}`, "Content-Type": "application/json" },
      body: JSON.stringify({
        model: "claude/thinker",
        messages: [HELLO],
        tools: TOOLS,
        max_tokens: 8_000,
        stream: true,
      }),
    }),
  );
  const id = /"id":"(toolu_1_wps1i_[\w-]+)"/.exec(await response.text())?.[1] ?? "";
  const calls: readonly Call[] = [{ id, type: "function", function: { name: "look", arguments: "{}" } }];
  const [said, ...results] = turn({ status: 200, calls, warning: "" });
  await heard(tenant, "claude/thinker", [HELLO, { ...(said as object), content: "I look." }, ...results]);
  const use = { type: "tool_use", id: "toolu_1", name: "look", input: {} };
  expect(assistantTurnsSent()).toEqual([[thought, { type: "text", text: "I look." }, use]]);
});

test.each([
  { name: "in the id", thought: "Hm." },
  { name: "in the account's gate", thought: LONG },
])("a provider that refuses calls without their reasoning gets it, signed or not: $name", async ({ thought }) => {
  const tenant = await newTenant(USD);
  const called = { id: "call_1", type: "function", function: { name: "look", arguments: "{}" } };
  const message = { role: "assistant", content: null, reasoning_content: thought, tool_calls: [called] };
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  answers = [
    { choices: [{ index: 0, message, finish_reason: "tool_calls" }], usage },
    { choices: [] },
    claudeAnswer(SHORT),
  ];
  const first = await heard(tenant, "seeker/thinker", [HELLO]);
  await heard(tenant, "seeker/thinker", [HELLO, ...turn(first)]);
  const { messages } = JSON.parse(sent.at(-1)?.body ?? "{}") as { messages: readonly unknown[] };
  expect(messages[1]).toEqual(message);
  expect(messages[2]).toMatchObject({ role: "tool", tool_call_id: "call_1" });
  const switched = await heard(tenant, "claude/thinker", [HELLO, ...turn(first)]);
  expect(switched.warning).toContain("Reasoning of another provider");
  expect(sent.at(-1)?.body).not.toContain(JSON.stringify(thought).slice(1, -1));
});

test("another tenant gets nothing of an id, wherever its state is; its own conversation goes on", async () => {
  const [owner, other] = [await newTenant(USD), await newTenant(USD)];
  for (const signature of [SHORT, LONG]) {
    answers = [claudeAnswer(signature, "toolu_1"), claudeAnswer(SHORT), claudeAnswer(SHORT)];
    const first = await heard(owner, "claude/thinker", [HELLO]);
    const stolen = await heard(other, "claude/thinker", [HELLO, ...turn(first)]);
    expect(stolen.status).toBe(200);
    expect(stolen.warning).toContain("was not found");
    expect(sent.at(-1)?.body).not.toContain(JSON.stringify(signature).slice(1, -1));
    expect(assistantTurnsSent()).toEqual([[{ type: "tool_use", id: "toolu_1", name: "look", input: { at: 0 } }]]);
    await heard(owner, "claude/thinker", [HELLO, ...turn(first)]);
    expect(JSON.stringify(assistantTurnsSent())).toContain(JSON.stringify(signature).slice(1, -1));
  }
});

test("on a switch to another provider the state stays behind, and the call keeps its own name", async () => {
  const tenant = await newTenant(USD);
  for (const signature of [SHORT, LONG]) {
    answers = [claudeAnswer(signature, "toolu_1"), geminiAnswer(null), { choices: [] }];
    const first = await heard(tenant, "claude/thinker", [HELLO]);
    const switched = await heard(tenant, "google/thinker", [HELLO, ...turn(first)]);
    expect(switched.warning).toContain("Reasoning of another provider");
    await heard(tenant, "plain/talker", [HELLO, ...turn(first)]);
    for (const { body } of sent.slice(-2)) {
      expect(body).not.toContain(JSON.stringify(signature).slice(1, -1));
      expect(body).not.toContain("_wps1");
      expect(body).toContain('"toolu_1"');
    }
  }
});

test("an account that keeps nothing loses what an id cannot hold, and is told so", async () => {
  const tenant = await newTenant(USD);
  const asked = await ask("PATCH", "/workspaces/default/limits", tenant.managementKey, { zero_retention: true });
  expect(asked.status).toBe(200);
  answers = [claudeAnswer(LONG, "toolu_1"), claudeAnswer(SHORT, "toolu_2"), claudeAnswer(SHORT)];
  const first = await heard(tenant, "claude/thinker", [HELLO]);
  const second = await heard(tenant, "claude/thinker", [HELLO, ...turn(first)]);
  expect(second.warning).toContain("zero data retention");
  await heard(tenant, "claude/thinker", [HELLO, ...turn(first), ...turn(second)]);
  // What fits an id is carried all the same.
  expect(JSON.stringify(assistantTurnsSent())).toContain(SHORT);
  expect(await keptStates(tenant)).toBe(0);
});

test("a request that wants nothing kept has nothing kept", async () => {
  const tenant = await newTenant(USD);
  answers = [claudeAnswer(LONG, "toolu_1"), claudeAnswer(SHORT)];
  const first = await heard(tenant, "claude/thinker", [HELLO], { provider: { zdr: true } });
  expect(first.calls[0]?.id).toBe("toolu_1_wps1n");
  const second = await heard(tenant, "claude/thinker", [HELLO, ...turn(first)]);
  expect(second.warning).toContain("zero data retention");
  expect(await keptStates(tenant)).toBe(0);
});

test("a client that sends reasoning back itself is heard, nothing is doubled, and its ids stay plain from then on", async () => {
  const tenant = await newTenant(USD);
  answers = [claudeAnswer(SHORT, "toolu_1"), claudeAnswer(LONG, "toolu_2"), claudeAnswer(SHORT)];
  const body = { model: "claude/thinker", tools: TOOLS, max_tokens: 8_000, reasoning: { max_tokens: 2_000 } };
  const messages: unknown[] = [HELLO];
  for (let round = 0; round < 2; round++) {
    const answer = await ask("POST", "/chat/completions", tenant.key, { ...body, messages });
    const { message } = (answer.body as { choices: readonly [{ message: { tool_calls: readonly Call[] } }] })
      .choices[0];
    messages.push(message, ...turn({ status: 200, calls: message.tool_calls, warning: "" }).slice(1));
  }
  expect(JSON.stringify(messages.at(-1))).toContain('"tool_call_id":"toolu_2"');
  await ask("POST", "/chat/completions", tenant.key, { ...body, messages });
  const [first, second] = assistantTurnsSent();
  expect(first).toEqual(claudeAnswer(SHORT, "toolu_1").content);
  expect(second).toEqual(claudeAnswer(LONG, "toolu_2").content);
  expect(await keptStates(tenant)).toBe(0);
});

test("what is kept is sealed, and forgotten after seven days", async () => {
  const tenant = await newTenant(USD);
  answers = [claudeAnswer(LONG, "toolu_1"), claudeAnswer(SHORT)];
  const first = await heard(tenant, "claude/thinker", [HELLO]);
  await vi.waitFor(async () => expect(await keptStates(tenant)).toBe(1), { timeout: 15_000 });
  await runInDurableObject(tenant.gate, (_gate: AccountGate, { storage }) => {
    const [row] = storage.sql.exec("SELECT bytes FROM provider_states").toArray();
    const bytes = new Uint8Array(row?.["bytes"] as ArrayBuffer); // a BLOB of ours
    expect(bytes.length).toBeGreaterThan(1_024);
    expect(new TextDecoder().decode(bytes)).not.toMatch(/Größe|secret|toolu_1/);
  });
  await setClock(tenant, Date.now() + KEPT_MS + 1_000);
  await runInDurableObject(tenant.gate, async (gate: AccountGate) => await gate.alarm());
  expect(await keptStates(tenant)).toBe(0);
  const late = await heard(tenant, "claude/thinker", [HELLO, ...turn(first)]);
  expect(late.warning).toContain("was not found");
  expect(assistantTurnsSent()).toEqual([[{ type: "tool_use", id: "toolu_1", name: "look", input: { at: 0 } }]]);
});

test("an account's states take their room and no more: the oldest go, a repeat changes nothing, too large ones stay out", async () => {
  const { gate, keyHash, managementKey } = await newTenant(USD);
  const refOf = (at: number): string => `ref-${String(at).padStart(4, "0")}`;
  const keep = async (at: number, bytes: number) => {
    const answer = await gate.providerState({ kind: "keep", state: { ref: refOf(at), sealed: new Uint8Array(bytes) } });
    return answer.ok ? answer.value.kind : answer.error.kind;
  };
  const found = async (refs: readonly string[]): Promise<readonly string[]> => {
    const answer = await gate.providerState({ kind: "read", keyHash, refs });
    if (!answer.ok) throw new Error(answer.error.kind);
    return answer.value.kind === "found" ? answer.value.states.map(({ ref }) => ref) : [];
  };
  const room = TOTAL_BYTES_MAX / STATE_BYTES_MAX;
  for (let at = 0; at < room; at++) expect(await keep(at, STATE_BYTES_MAX)).toBe("kept");
  expect(await keep(0, STATE_BYTES_MAX)).toBe("kept");
  expect(await found([refOf(0), refOf(room - 1)])).toEqual([refOf(0), refOf(room - 1)]);
  expect(await keep(room, 1)).toBe("kept");
  expect(await found([refOf(0), refOf(1), refOf(room)])).toEqual([refOf(1), refOf(room)]);
  expect(await keep(room + 1, STATE_BYTES_MAX + 1)).toBe("withheld");
  // Who wants nothing kept from now on has nothing kept from before either.
  await ask("PATCH", "/workspaces/default/limits", managementKey, { zero_retention: true });
  expect(await found([refOf(1)])).toEqual([]);
  expect(await keep(room + 2, 1)).toBe("withheld");
  const forged = await gate.providerState({ kind: "read", keyHash: asKeyHash("0".repeat(64)), refs: [refOf(1)] });
  expect(forged).toMatchObject({ ok: false, error: { kind: "unauthenticated" } });
});
