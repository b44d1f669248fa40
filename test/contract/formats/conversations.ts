/**
 * Random conversations in our own words, with everything that a client may say and an upstream may be told. What they hold
 * is canonical: what is the default anyway is not said, an order that is the usual one is not told, entries of reasoning
 * are counted from 0 in their message.
 */
import fc from "fast-check";
import type {
  AssistantMessage,
  CacheControl,
  ChatRequest,
  FilePart,
  FunctionTool,
  Message,
  Part,
  PieceKind,
  ReasoningDetail,
  TextPart,
  ToolCall,
  UserMessage,
} from "../../../src/core/chat.ts";
import type { JsonObject } from "../../../src/core/json.ts";

export const ANTHROPIC = "anthropic-claude-v1";
export const RESPONSES = "openai-responses-v1";

/** `{ [name]: ... }` or nothing: what is not said is not there. */
function maybe<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** The members that are there. */
function said<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T; // a subset of T
}

/** Words, with what breaks careless code; never blank, and without white space at the ends. */
const words = fc.oneof(
  fc.constantFrom('Say "grüezi"\n— 18 °C 🌤', "</s>", "{}", "\u2028x", "null"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).map((text) => `<${text}>`),
);
const json: fc.Arbitrary<JsonObject> = fc
  .dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 1, noUnicodeString: false }), { maxKeys: 3 })
  // As it comes off a wire: -0 is 0, and keys have the order that JSON gives them.
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
const cacheControl: fc.Arbitrary<CacheControl> = fc
  .record({ type: fc.constant("ephemeral" as const), ttl: maybe(fc.constantFrom("5m", "1h")) })
  .map(said);
const rarelyCached = fc.option(cacheControl, { nil: undefined, freq: 8 });

const text: fc.Arbitrary<TextPart> = fc
  .record({ type: fc.constant("text" as const), text: words, cacheControl: rarelyCached })
  .map(said);
const BASE64 = ["aGVsbG8=", "JVBERi0xLjQ=", "AAEC"] as const;
const image: fc.Arbitrary<Part> = fc
  .record({
    type: fc.constant("image" as const),
    url: fc.constantFrom(...BASE64.map((data) => `data:image/png;base64,${data}`), "https://a.example/cat.png"),
    detail: fc.option(fc.constantFrom("low", "high", "original"), { nil: undefined, freq: 2 }),
    cacheControl: rarelyCached,
  })
  .map(said);
const file: fc.Arbitrary<FilePart> = fc
  .record({
    type: fc.constant("file" as const),
    filename: maybe(fc.constantFrom("a.pdf", "böok (1).pdf")),
    from: fc.oneof(
      fc.constantFrom(...BASE64.map((data) => ({ data: `data:application/pdf;base64,${data}` }))),
      fc.constantFrom({ data: "data:text/plain;base64,R3LDvGV6aQ==" }, { data: "https://a.example/a.pdf" }),
      fc.constant({ fileId: "file_1" }),
    ),
    cacheControl: rarelyCached,
  })
  .map(({ from, ...rest }) => said({ ...rest, ...from }));
const audio: fc.Arbitrary<Part> = fc
  .record({
    type: fc.constant("audio" as const),
    data: fc.constantFrom(...BASE64),
    format: fc.constantFrom("wav", "mp3"),
  })
  .map(said);
const video: fc.Arbitrary<Part> = fc
  .constantFrom("https://a.example/v.mp4", "data:video/mp4;base64,AAEC")
  .map((url) => ({
    type: "video",
    url,
  }));
const parts = (...more: readonly fc.Arbitrary<Part>[]): fc.Arbitrary<readonly Part[]> =>
  fc.array(fc.oneof({ arbitrary: text, weight: 4 }, ...more), { minLength: 1, maxLength: 3 });

const user: fc.Arbitrary<UserMessage> = fc
  .record({
    role: fc.constant("user" as const),
    parts: parts(image, file, audio, video),
    name: maybe(fc.constant("ann")),
  })
  .map(said);

/** What one provider gave at once: entries that share an index. */
type Thought = readonly Omit<ReasoningDetail, "index">[];

const opaque = fc.oneof(
  fc.constantFrom("EqQBCgIYAhIM1g+/bcDa==", "gAAAAAB_-x", "🤔 not base64"),
  fc.base64String({ minLength: 4, maxLength: 24 }),
);
const thought: fc.Arbitrary<Thought> = fc.oneof(
  fc
    .record({ text: words, signature: opaque })
    .map((one): Thought => [{ type: "reasoning.text", ...one, format: ANTHROPIC }]),
  opaque.map((data): Thought => [{ type: "reasoning.encrypted", data, format: ANTHROPIC }]),
  fc
    .record({ summary: maybe(words), data: opaque })
    .map(({ summary, data }): Thought => [
      ...(summary === undefined ? [] : [{ type: "reasoning.summary" as const, summary, format: RESPONSES }]),
      { type: "reasoning.encrypted", data, format: RESPONSES },
    ]),
);

interface Call {
  readonly name: string;
  readonly input: JsonObject;
  readonly cacheControl: CacheControl | undefined;
}
const call: fc.Arbitrary<Call> = fc.record({
  name: fc.constantFrom("look", "listen"),
  input: json,
  cacheControl: rarelyCached,
});

interface Turn {
  readonly asked: UserMessage;
  readonly said: readonly Part[];
  readonly calls: readonly Call[];
  readonly thoughts: readonly Thought[];
  readonly refusal: string | undefined;
  readonly name: string | undefined;
  readonly isShuffled: boolean;
  readonly shuffle: readonly number[];
  readonly results: readonly { readonly parts: readonly Part[]; readonly isError: boolean }[];
}
const turn: fc.Arbitrary<Turn> = fc.record({
  asked: user,
  said: fc.array(
    fc.oneof({ arbitrary: text, weight: 6 }, fc.constant({ type: "image", url: "https://a.example/x.png" } as const)),
    {
      maxLength: 2,
    },
  ),
  calls: fc.array(call, { maxLength: 3 }),
  thoughts: fc.array(thought, { maxLength: 2 }),
  refusal: fc.option(words, { nil: undefined, freq: 8 }),
  name: fc.option(fc.constant("bob"), { nil: undefined, freq: 8 }),
  isShuffled: fc.boolean(),
  shuffle: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  results: fc.array(fc.record({ parts: parts(image, file), isError: fc.boolean() }), { minLength: 3, maxLength: 3 }),
});

/** One turn: a question, an answer, and the results of its calls. `at` makes ids unique. */
function messagesOf(one: Turn, at: number): Message[] {
  const toolCalls: ToolCall[] = one.calls.map(({ name, input, cacheControl: cache }, index) =>
    said({ id: `call_${at}_${index}`, name, input: JSON.stringify(input), cacheControl: cache }),
  );
  const answer = answerOf(one, toolCalls);
  const results: Message[] = toolCalls.map(({ id }, index) => {
    const { parts: given = [], isError = false } = one.results[index] ?? {};
    return { role: "tool", toolCallId: id, parts: given, ...(isError ? { isError } : {}) };
  });
  return answer === null ? [one.asked] : [one.asked, answer, ...results];
}

function answerOf(
  { said: words_, thoughts, refusal, name, isShuffled, shuffle }: Turn,
  toolCalls: readonly ToolCall[],
): AssistantMessage | null {
  if (words_.length + toolCalls.length === 0) return null;
  const reasoning = thoughts.flatMap((entries, index) =>
    entries.map((entry): ReasoningDetail => ({
      ...entry,
      ...(entry.format === RESPONSES ? { id: `rs_${index}` } : {}),
      index,
    })),
  );
  // Each thought is one piece; its entries stay together.
  const pieces: PieceKind[] = [
    ...thoughts.map((): PieceKind => "reasoning"),
    ...words_.map((): PieceKind => "part"),
    ...toolCalls.map((): PieceKind => "call"),
  ];
  let thoughtCount = 0;
  const shuffled = pieces
    .map((piece, at) => ({ piece, rank: shuffle[at] ?? 0 }))
    .toSorted((left, right) => left.rank - right.rank)
    .flatMap(({ piece }) => (piece === "reasoning" ? (thoughts[thoughtCount++] ?? []).map(() => piece) : [piece]));
  const isAlone = toolCalls.length === 0;
  return {
    role: "assistant",
    parts: words_,
    toolCalls,
    reasoning,
    // A refusal is the end of an answer.
    ...(refusal === undefined || !isAlone ? {} : { refusal }),
    ...(name === undefined ? {} : { name }),
    ...(!isShuffled || isUsual(shuffled) || (isAlone && refusal !== undefined) ? {} : { order: shuffled }),
  };
}

const RANK: Readonly<Record<PieceKind, number>> = { reasoning: 0, part: 1, call: 2 };

/** Reasoning, then parts, then calls. */
export function isUsual(order: readonly PieceKind[]): boolean {
  return order.every((kind, at) => at === 0 || RANK[kind] >= RANK[order[at - 1] ?? kind]);
}

const SCHEMA: JsonObject = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tool: fc.Arbitrary<Omit<FunctionTool, "name">> = fc
  .record({
    description: maybe(words),
    parameters: maybe(fc.constantFrom<JsonObject>(SCHEMA, { type: "object", properties: {} }, {})),
    strict: maybe(fc.boolean()),
    cacheControl: rarelyCached,
  })
  .map(said);
const tools: fc.Arbitrary<readonly FunctionTool[]> = fc
  .array(tool, { maxLength: 2 })
  .map((list) => list.map((one, at) => ({ name: ["look", "listen"][at] ?? "", ...one })));

const sampling = fc
  .record({
    temperature: maybe(fc.constantFrom(0, 0.5, 1, 1.7)),
    top_p: maybe(fc.constantFrom(0.3, 0.97, 1)),
    top_k: maybe(fc.constantFrom(0, 40)),
    min_p: maybe(fc.constant(0.1)),
    top_a: maybe(fc.constant(0.2)),
    frequency_penalty: maybe(fc.constant(-1)),
    presence_penalty: maybe(fc.constant(0.5)),
    repetition_penalty: maybe(fc.constant(1.1)),
    seed: maybe(fc.constant(7)),
    logit_bias: maybe(fc.constant({ "50256": -100 })),
    verbosity: maybe(fc.constantFrom("low", "medium", "high")),
    n: maybe(fc.constant(2)),
    // Alternatives come with the probabilities of what was chosen.
    logs: fc.constantFrom({}, {}, { logprobs: true }, { logprobs: true, top_logprobs: 3 }),
  })
  .map(({ logs, ...rest }) => said({ ...rest, ...logs }));

/** An effort, a budget or a switch, of which clients may say one. */
const reasoning = fc
  .record({
    wish: fc.oneof(
      fc
        .constantFrom("none", "minimal", "low", "medium", "high", "xhigh", "max")
        .map((effort) => ({ effort }) as const),
      fc.constantFrom(1_024, 3_000).map((maxTokens) => ({ maxTokens })),
      fc.boolean().map((enabled) => ({ enabled })),
    ),
    exclude: fc.option(fc.constant(true), { nil: undefined, freq: 3 }),
    summary: maybe(fc.constantFrom("auto", "concise", "detailed")),
  })
  .map(({ wish, ...rest }) => said({ ...wish, ...rest }));

/**
 * Every member of a request: random here, or ours and never told to an upstream as it is (`user` goes as a hash, `task`
 * and `native` have tests of their own, `stream` is asked for by the tests).
 */
export const MEMBERS: Readonly<Record<keyof ChatRequest, "random" | "ours">> = {
  messages: "random",
  stream: "ours",
  sampling: "random",
  maxOutputTokens: "random",
  stop: "random",
  tools: "random",
  toolChoice: "random",
  parallelToolCalls: "random",
  responseFormat: "random",
  reasoning: "random",
  modalities: "random",
  cacheControl: "random",
  promptCacheKey: "random",
  user: "ours",
  metadata: "ours",
  betas: "ours",
  native: "ours",
  task: "ours",
  extra: "random",
};

const format = fc.oneof(
  fc.constant({ kind: "json_object" } as const),
  fc
    .record({
      kind: fc.constant("json_schema" as const),
      name: fc.constant("answer"),
      schema: fc.constant(SCHEMA),
      strict: maybe(fc.boolean()),
      description: maybe(words),
    })
    .map(said),
);

/** A whole request. */
export const conversation: fc.Arbitrary<ChatRequest> = fc
  .record({
    system: fc.array(
      fc
        .record({
          role: fc.constantFrom("system" as const, "developer" as const),
          parts: fc.array(text, { minLength: 1, maxLength: 2 }),
          name: maybe(fc.constant("op")),
        })
        .map(said),
      { maxLength: 2 },
    ),
    late: fc.option(fc.constant("From now on, be brief."), { nil: undefined, freq: 5 }),
    turns: fc.array(turn, { minLength: 1, maxLength: 3 }),
    last: maybe(user),
    sampling: fc.oneof(fc.constant({}), sampling),
    maxOutputTokens: maybe(fc.constantFrom(4_000, 9_000)),
    stop: fc.constantFrom([], [], ["END"], ["\n\n", "END"]),
    tools,
    toolChoice: maybe(
      fc.constantFrom(
        { kind: "none" } as const,
        { kind: "auto" } as const,
        { kind: "required" } as const,
        { kind: "function", name: "look" } as const,
      ),
    ),
    parallelToolCalls: maybe(fc.boolean()),
    responseFormat: maybe(format),
    reasoning: maybe(reasoning),
    modalities: fc.option(fc.constant(["text", "image"]), { nil: undefined, freq: 5 }),
    cacheControl: fc.option(cacheControl, { nil: undefined, freq: 4 }),
    promptCacheKey: maybe(fc.constant("book")),
    extra: fc.constantFrom({}, {}, { future_field: { a: [1] } }),
  })
  .map(({ system, late, turns, last, toolChoice, parallelToolCalls, ...rest }): ChatRequest => {
    const messages: Message[] = [...system, ...turns.flatMap(messagesOf)];
    // Between two questions it would leave one, in formats that put it first.
    if (late !== undefined && messages.at(-1)?.role !== "user")
      messages.push({ role: "system", parts: [{ type: "text", text: late }] });
    if (last !== undefined) messages.push(last);
    // Without tools there is nothing to choose from.
    const choice = rest.tools.length === 0 ? {} : { toolChoice, parallelToolCalls };
    return { ...said({ ...rest, ...choice }), messages: apart(messages), stream: false };
  });

/** No two messages of the user stand next to each other: formats of turns make them one. */
function apart(messages: readonly Message[]): Message[] {
  return messages.filter((message, at) => message.role !== "user" || messages[at + 1]?.role !== "user");
}
