/** State of tool calls on its way out and back: where it stands again, and when it stays out. */
import { expect, test } from "vitest";
import type { AssistantMessage, ChatRequest, Message, ReasoningDetail } from "../../../src/core/chat.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { asAccountId, asKeyHash } from "../../../src/core/ids.ts";
import { ok } from "../../../src/core/result.ts";
import type { SealedState } from "../../../src/gates/account-provider-state-contract.ts";
import { createProviderStateClient, type ProviderStateClient } from "../../../src/gates/provider-state-client.ts";
import { createCarrier } from "../../../src/router/carry-state.ts";
import type { Returned } from "../../../src/router/job.ts";
import { withRestoredState } from "../../../src/router/restore-state.ts";
import { NOW } from "./world.ts";

const ACCOUNT = asAccountId("gl10000000000abc");
const KEY = asKeyHash("a".repeat(64));
const F = "some-format-v1";

interface World {
  readonly providerState: ProviderStateClient;
  readonly kept: Map<string, SealedState>;
  readonly done: Promise<unknown>[];
  /** Of the provider that answers. */
  readonly takesPlain?: boolean;
  reads: number;
}

/** A client of a gate that is a map. */
function world(secret = "a secret of sixteen"): World {
  const kept = new Map<string, SealedState>();
  let count = 0;
  const own: World = {
    kept,
    done: [],
    reads: 0,
    providerState: createProviderStateClient({
      clock: () => NOW,
      random: (length) => new Uint8Array(length).fill(count++ % 256),
      settings: { sealingSecret: secret, openingSecrets: [secret] },
      gate: () => ({
        async providerState(command) {
          if (command.kind === "keep") {
            kept.set(command.state.ref, command.state);
            return ok({ kind: "kept" });
          }
          own.reads++;
          const states = command.refs.flatMap((ref) => kept.get(ref) ?? []);
          return ok({ kind: "found", states, isZeroRetention: false });
        },
      }),
    }),
  };
  return own;
}

const text = (say: string): GenerationEvent => ({ type: "text-delta", choice: 0, text: say });
const thought = (detail: Partial<ReasoningDetail> & { readonly index: number }): GenerationEvent => ({
  type: "reasoning-delta",
  choice: 0,
  detail: { type: "reasoning.text", format: F, ...detail },
});
const call = (index: number, id = `call_${index}`): GenerationEvent => ({
  type: "tool-start",
  choice: 0,
  index,
  id,
  name: "look",
});

interface Told {
  readonly events: readonly GenerationEvent[];
  readonly ids: readonly string[];
}

/** What a client gets of an answer that comes in these batches. */
async function told(
  { providerState, done, takesPlain = false }: World,
  ...batches: readonly (readonly GenerationEvent[])[]
): Promise<Told> {
  const carry = createCarrier(
    { account: ACCOUNT, keepsNothing: false, takesPlain },
    { providerState, waitUntil: (work) => void done.push(work) },
  );
  const events: GenerationEvent[] = [];
  for (const batch of batches) events.push(...(await carry(batch)));
  return { events, ids: events.flatMap((event) => (event.type === "tool-start" ? [event.id] : [])) };
}

const assistant = (ids: readonly string[], more: Partial<AssistantMessage> = {}): AssistantMessage => ({
  role: "assistant",
  parts: [],
  toolCalls: ids.map((id) => ({ id, name: "look", input: "{}" })),
  reasoning: [],
  ...more,
});
const REQUEST: ChatRequest = { messages: [], stream: false, sampling: {}, stop: [], tools: [], extra: {} };

async function restored({ providerState }: World, ...messages: readonly Message[]) {
  const parsed = {
    request: { ...REQUEST, messages },
    models: ["a/b"],
    provider: null,
    sessionId: null,
    warnings: ["before"],
  };
  const input = { parsed, asker: { account: ACCOUNT, keyHash: KEY }, returned: undefined as Returned | undefined };
  const out = await withRestoredState(input, { providerState });
  return { messages: out.parsed.request.messages, warnings: out.parsed.warnings, returned: out.returned };
}

const said = (say: string) => ({ type: "text", text: say }) as const;
const entry = (index: number, more: Partial<ReasoningDetail>): ReasoningDetail => ({
  type: "reasoning.text",
  format: F,
  ...more,
  index,
});

const PLACES: readonly {
  readonly name: string;
  readonly answer: readonly GenerationEvent[];
  readonly parts?: AssistantMessage["parts"];
  readonly reasoning: readonly ReasoningDetail[];
  readonly order?: AssistantMessage["order"];
}[] = [
  {
    name: "before everything",
    answer: [thought({ text: "Hm", index: 0 }), thought({ signature: "s", index: 0 }), text("I look."), call(0)],
    parts: [said("I look.")],
    reasoning: [entry(0, { text: "Hm", signature: "s" })],
  },
  {
    name: "behind the text that it came after",
    answer: [text("I "), text("look."), thought({ signature: "s", index: 0 }), call(0)],
    parts: [said("I look.")],
    reasoning: [entry(0, { signature: "s" })],
    order: ["part", "reasoning", "call"],
  },
  {
    name: "behind text that the client has trimmed",
    answer: [text("I look. \n"), thought({ signature: "s", index: 0 }), call(0)],
    parts: [said("I look.")],
    reasoning: [entry(0, { signature: "s" })],
    order: ["part", "reasoning", "call"],
  },
  {
    name: "between calls",
    answer: [
      thought({ signature: "s", index: 0 }),
      call(0),
      thought({ type: "reasoning.encrypted", data: "d", index: 1 }),
      thought({ text: "So.", signature: "t", index: 2 }),
      call(1),
    ],
    reasoning: [
      entry(0, { signature: "s" }),
      entry(1, { type: "reasoning.encrypted", data: "d" }),
      entry(2, { text: "So.", signature: "t" }),
    ],
    order: ["reasoning", "call", "reasoning", "reasoning", "call"],
  },
  {
    name: "with what shares its entry, and without what nobody reads again",
    answer: [
      thought({ type: "reasoning.summary", summary: "In short", id: "rs_1", index: 4 }),
      thought({ type: "reasoning.encrypted", data: "d", id: "rs_1", index: 4 }),
      thought({ text: "unsigned", index: 5 }),
      call(0),
    ],
    reasoning: [
      entry(0, { type: "reasoning.summary", summary: "In short", id: "rs_1" }),
      entry(0, { type: "reasoning.encrypted", data: "d", id: "rs_1" }),
    ],
  },
];

test.each(PLACES)("state stands again $name", async ({ answer, parts = [], reasoning, order }) => {
  const own = world();
  const whole = await told(own, answer);
  const split = await told(own, ...answer.map((event) => [event]));
  for (const { ids } of [whole, split]) {
    const { messages, warnings } = await restored(own, assistant(ids, { parts }));
    const toolCalls = ids.map((_, at) => ({ id: `call_${at}`, name: "look", input: "{}" }));
    expect(messages).toEqual([
      { role: "assistant", parts, toolCalls, reasoning, ...(order === undefined ? {} : { order }) },
    ]);
    expect(warnings).toEqual(["before"]);
  }
});

test("a signature that names its call goes by the client's id on its way out, and by the provider's on its way back", async () => {
  const own = world();
  const signature = thought({ type: "reasoning.encrypted", data: "c2ln", id: "call_0", index: 0 });
  const { events, ids } = await told(own, [signature, call(0), call(1)]);
  expect(ids[1]).toBe("call_1");
  expect(events[0]).toMatchObject({ detail: { id: ids[0], data: "c2ln" } });
  const theirs = entry(0, { type: "reasoning.encrypted", data: "c2ln", id: ids[0] ?? "" });
  for (const reasoning of [[], [theirs]]) {
    const { messages } = await restored(own, assistant(ids, { reasoning }));
    expect(messages).toMatchObject([
      { toolCalls: [{ id: "call_0" }, { id: "call_1" }], reasoning: [{ ...theirs, id: "call_0" }] },
    ]);
  }
});

test("what the client sends itself wins, and costs no look at the gate; text alone makes room", async () => {
  const own = world();
  const long = "x".repeat(2_000);
  const { ids } = await told(own, [thought({ text: "Hm", signature: long, index: 0 }), call(0)]);
  const theirs = [entry(0, { text: "Hm!", signature: "theirs" })];
  const first = await restored(own, assistant(ids, { reasoning: theirs }));
  expect(first.messages).toMatchObject([{ toolCalls: [{ id: "call_0" }], reasoning: theirs }]);
  expect(first.returned).toEqual({ hasSigned: true, hasAny: true });
  expect(own.reads).toBe(0);
  await Promise.all(own.done);
  const second = await restored(own, assistant(ids, { reasoning: [{ type: "reasoning.text", text: "Hm" }] }));
  expect(second.messages).toMatchObject([{ reasoning: [entry(0, { text: "Hm", signature: long })] }]);
  expect(second.messages[0]).toHaveProperty("reasoning.length", 1);
  expect(second.returned).toEqual({ hasSigned: false, hasAny: true });
  expect(own.reads).toBe(1);
});

test("a state of a kilobyte of an id is in the id; beyond, it is in the gate, and is found on its way there", async () => {
  const own = world();
  const bytes = (length: number): string => btoa("q".repeat(length));
  const inline = await told(own, [thought({ signature: bytes(600), index: 0 }), call(0)]);
  expect(inline.ids[0]).toMatch(/^call_0_wps1i_[\w-]{800,1000}$/);
  expect(own.kept.size).toBe(0);
  const beyond = await told(own, [thought({ signature: bytes(800), index: 0 }), call(0)]);
  expect(beyond.ids[0]).toMatch(/^call_0_wps1g_[\w-]{30}$/);
  const early = await restored(own, assistant(beyond.ids));
  expect(early.messages).toMatchObject([{ reasoning: [{ signature: bytes(800) }] }]);
});

test("ids that nobody here gave out stay, with their results; one that cannot be opened goes by its front", async () => {
  const own = world();
  const { ids } = await told(world("another secret, as long"), [thought({ signature: "s", index: 0 }), call(0)]);
  const result = (toolCallId: string): Message => ({ role: "tool", toolCallId, parts: [said("r")] });
  const plain = assistant(["mine:1", "call_wps1"]);
  const untouched = [plain, result("mine:1"), result("call_wps1")];
  expect((await restored(own, ...untouched)).messages).toEqual(untouched);
  const lost = await restored(own, assistant(ids), result(ids[0] ?? ""), ...untouched);
  expect(lost.messages).toEqual([assistant(["call_0"]), result("call_0"), ...untouched]);
  expect(lost.warnings.join()).toContain("was not found");
  // Cut short on its way.
  const cut = (ids[0] ?? "").slice(0, 30);
  expect((await restored(own, assistant([cut]))).messages).toEqual([assistant(["call_0"])]);
});

test("a provider's own id of any letters comes back, and until then is one of legal ones", async () => {
  const own = world();
  const { ids } = await told(own, [thought({ signature: "s", index: 0 }), call(0, "functions.look:0")]);
  expect(ids[0]).toMatch(/^[\w-]+$/);
  const { messages } = await restored(own, assistant(ids));
  expect(messages).toMatchObject([{ toolCalls: [{ id: "functions.look:0" }] }]);
});

test("choices carry their own state", async () => {
  const own = world();
  const of = (choice: number, event: GenerationEvent): GenerationEvent => ({ ...event, choice }) as GenerationEvent;
  const { ids } = await told(own, [
    of(1, thought({ signature: "one", index: 0 })),
    of(0, thought({ signature: "nought", index: 0 })),
    of(1, call(0, "b")),
    of(0, call(0, "a")),
  ]);
  const reasoningOf = async (id: string | undefined) => (await restored(own, assistant([id ?? ""]))).messages;
  expect(await reasoningOf(ids[0])).toMatchObject([{ toolCalls: [{ id: "b" }], reasoning: [{ signature: "one" }] }]);
  expect(await reasoningOf(ids[1])).toMatchObject([{ toolCalls: [{ id: "a" }], reasoning: [{ signature: "nought" }] }]);
});

test("plain reasoning rides where the provider needs it back, once: a client that shows it keeps its own", async () => {
  const answer = [thought({ text: "Hm, ", index: 0 }), thought({ text: "so.", index: 0 }), call(0)];
  expect((await told(world(), answer)).ids).toEqual(["call_0"]);
  const own: World = { ...world(), takesPlain: true };
  const { ids } = await told(own, answer);
  const bare = await restored(own, assistant(ids));
  expect(bare.messages).toMatchObject([{ toolCalls: [{ id: "call_0" }], reasoning: [entry(0, { text: "Hm, so." })] }]);
  const theirs = [{ type: "reasoning.text", text: "Hm." } as const];
  const shown = await restored(own, assistant(ids, { reasoning: theirs }));
  expect(shown.messages).toMatchObject([{ toolCalls: [{ id: "call_0" }], reasoning: theirs }]);
  expect(shown.returned).toEqual({ hasSigned: false, hasAny: true });
});
