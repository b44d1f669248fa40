/** The `openai` client against a real server: what its users do, and what each answer cost. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeTenant } from "../tenant.ts";
import { HELLO, MODEL, MODELS, PERSON, PICTURE, SLOW, STOPPABLE, TOOLS, USAGE } from "../upstream-aimock.ts";
import { openStage, say, type Stage } from "./stage.ts";

let stage: Stage;
let client: OpenAI;

beforeAll(async () => {
  stage = await openStage();
  client = new OpenAI({ baseURL: stage.server.apiBase, apiKey: stage.tenant.key, maxRetries: 0, timeout: 30_000 });
});
afterAll(() => stage?.close());

/** What the API adds to OpenAI's usage. */
interface Priced {
  readonly cost: number;
}

const tools = Object.entries(TOOLS.schemas).map(([name, parameters]) => ({
  type: "function" as const,
  function: { name, parameters: { ...parameters } },
}));

test.each(MODELS)(
  "%s answers a chat, and its cost is the listed price, in the answer and in /generation",
  async (model) => {
    const answer = await client.chat.completions.create({ model, messages: say(HELLO.prompt) });
    expect(answer.choices[0]?.message.content).toBe(HELLO.text);
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(answer.usage).toMatchObject({
      prompt_tokens: USAGE.prompt,
      completion_tokens: USAGE.completion,
      total_tokens: USAGE.prompt + USAGE.completion,
    });
    // `cost` is ours beside OpenAI's fields.
    const { cost } = answer.usage as unknown as Priced;
    expect(cost).toBeCloseTo(await stage.listedCost(model), 9);
    expect(await stage.generation(answer.id)).toMatchObject({
      id: answer.id,
      total_cost: cost,
      cancelled: false,
      estimated: false,
      streamed: false,
      native_tokens_prompt: USAGE.prompt,
      native_tokens_completion: USAGE.completion,
    });
  },
);

test.each(MODELS)("%s streams in pieces, with usage and cost in the last chunk", async (model) => {
  const stream = await client.chat.completions.create({ model, messages: say(HELLO.prompt), stream: true });
  let text = "";
  let pieces = 0;
  const costs: number[] = [];
  const finishes: string[] = [];
  let id = "";
  for await (const chunk of stream) {
    id = chunk.id;
    const [choice] = chunk.choices;
    if (choice?.delta.content) {
      text += choice.delta.content;
      pieces++;
    }
    if (choice?.finish_reason && !chunk.usage) finishes.push(choice.finish_reason);
    if (chunk.usage) costs.push((chunk.usage as unknown as Priced).cost);
  }
  expect({ text, finishes, costs: costs.length }).toEqual({ text: HELLO.text, finishes: ["stop"], costs: 1 });
  expect(pieces).toBeGreaterThan(1);
  expect(await stage.generation(id)).toMatchObject({ total_cost: costs[0], streamed: true, cancelled: false });
});

test.each(MODELS)("%s calls several tools in parallel, and goes on with their results", async (model) => {
  const asked = await client.chat.completions.create({ model, messages: say(TOOLS.prompt), tools });
  const message = asked.choices[0]?.message;
  const calls = (message?.tool_calls ?? []).filter((call) => call.type === "function");
  expect(asked.choices[0]?.finish_reason).toBe("tool_calls");
  expect(calls.map((call) => ({ name: call.function.name, arguments: JSON.parse(call.function.arguments) }))).toEqual(
    TOOLS.calls,
  );
  expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
  if (message === undefined) throw new Error("no message");
  const answer = await client.chat.completions.create({
    model,
    tools,
    messages: [
      ...say(TOOLS.prompt),
      message,
      ...calls.map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: "18 degrees" })),
    ],
  });
  expect(answer.choices[0]?.message.content).toBe(TOOLS.text);
});

test.each(MODELS)("%s streams parallel tool calls that its stream helper puts together", async (model) => {
  const stream = client.chat.completions.stream({ model, messages: say(TOOLS.prompt), tools });
  const completion = await stream.finalChatCompletion();
  const calls = (completion.choices[0]?.message.tool_calls ?? []).filter((call) => call.type === "function");
  expect(calls.map((call) => ({ name: call.function.name, arguments: JSON.parse(call.function.arguments) }))).toEqual(
    TOOLS.calls,
  );
  expect(completion.choices[0]?.finish_reason).toBe("tool_calls");
});

test.each(MODELS)("%s answers in the wanted structure", async (model) => {
  const completion = await client.chat.completions.parse({
    model,
    messages: say(PERSON.prompt),
    response_format: {
      type: "json_schema",
      json_schema: { name: "person", strict: true, schema: { ...PERSON.schema } },
    },
  });
  expect(JSON.parse(completion.choices[0]?.message.content ?? "")).toEqual(PERSON.value);
});

test("an image reaches the model", async () => {
  const answer = await client.chat.completions.create({
    model: MODEL,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: PICTURE.prompt },
          { type: "image_url", image_url: { url: PICTURE.url, detail: "low" } },
        ],
      },
    ],
  });
  expect(answer.choices[0]?.message.content).toBe(PICTURE.seen);
});

test.each(MODELS)("%s aborted in mid-stream is charged for what was delivered, and says so", async (model) => {
  const abort = new AbortController();
  const stream = await client.chat.completions.create(
    { model, messages: say(SLOW.prompt), stream: true },
    { signal: abort.signal },
  );
  let id = "";
  let text = "";
  for await (const chunk of stream) {
    id = chunk.id;
    text += chunk.choices[0]?.delta.content ?? "";
    if (text.length > SLOW.abortAfterChars) abort.abort();
  }
  expect(text.length).toBeLessThan(SLOW.text.length / 2);
  const record = await stage.generation(id);
  expect(record).toMatchObject({ cancelled: true, streamed: true, estimated: STOPPABLE.includes(model) });
  expect(record.total_cost).toBeGreaterThan(0);
  if (STOPPABLE.includes(model)) {
    // Counted by us: the delivered part, not the whole answer.
    expect(record.native_tokens_completion).toBeGreaterThanOrEqual(text.length / 8);
    expect(record.native_tokens_completion).toBeLessThan(SLOW.text.length / 8);
  } else {
    // Read to its end, since the provider bills all of it: its own count.
    expect(record.native_tokens_completion).toBe(USAGE.completion);
  }
});

test("models.list pages through the catalog", async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids.length).toBeGreaterThanOrEqual(150);
  expect(ids).toEqual(expect.arrayContaining([...MODELS]));
});

test("what is asked of another provider by OpenAI's own names is passed on", async () => {
  await client.chat.completions.create({
    model: MODEL,
    messages: say(HELLO.prompt),
    temperature: 0.25,
    top_p: 0.5,
    max_completion_tokens: 55,
    seed: 7,
    stop: ["END"],
  });
  expect(stage.upstream.requests().at(-1)).toMatchObject({ temperature: 0.25, top_p: 0.5, seed: 7 });
});

test.each([
  {
    name: "a key that is not ours",
    error: OpenAI.AuthenticationError,
    status: 401,
    ask: () =>
      client
        .withOptions({ apiKey: "sk-wp-gl1000000000000-nothing" })
        .chat.completions.create({ model: MODEL, messages: say("x") }),
  },
  {
    name: "a model that does not exist",
    error: OpenAI.BadRequestError,
    status: 400,
    ask: () => client.chat.completions.create({ model: "openai/gpt-4o-minni", messages: say("x") }),
  },
  {
    name: "a parameter of the wrong type",
    error: OpenAI.BadRequestError,
    status: 400,
    ask: () =>
      client.chat.completions.create({ model: MODEL, messages: say("x"), temperature: "hot" as unknown as number }),
  },
  {
    name: "a body that is too large, still being sent when it is refused,",
    error: OpenAI.APIError,
    status: 413,
    ask: () => client.chat.completions.create({ model: MODEL, messages: say("x".repeat(30 * 1024 * 1024)) }),
  },
  {
    name: "a path that does not exist",
    error: OpenAI.NotFoundError,
    status: 404,
    ask: () => client.get("/nowhere"),
  },
  {
    name: "a generation that does not exist",
    error: OpenAI.NotFoundError,
    status: 404,
    ask: () => client.get("/generation", { query: { id: "gen-1-00000000000000000000" } }),
  },
])("$name raises the client's own error", async ({ ask, error, status }) => {
  const raised: unknown = await Promise.resolve(ask()).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(raised).toBeInstanceOf(error);
  expect(raised).toMatchObject({ status, error: { code: status, message: expect.any(String) } });
});

test("an account without credits raises an error that says what it lacks", async () => {
  const poor = await makeTenant(stage.server, "0.000001");
  const asked = client
    .withOptions({ apiKey: poor.key })
    .chat.completions.create({ model: MODELS[1], messages: say("Write a long story. ".repeat(50)), max_tokens: 4000 });
  await expect(asked).rejects.toMatchObject({ status: 402, error: { code: 402 } });
});

test("vectors come as the client asks for them, and cost their tokens", async () => {
  const ask = { model: "openai/text-embedding-3-small", input: ["one text", "and another one"] };
  // Without a format the client asks for base64, and reads it.
  const packed = await client.embeddings.create(ask);
  const plain = await client.embeddings.create({ ...ask, encoding_format: "float" });
  expect(plain.data.map(({ index, object }) => ({ index, object }))).toEqual([
    { index: 0, object: "embedding" },
    { index: 1, object: "embedding" },
  ]);
  for (const [at, { embedding }] of plain.data.entries()) {
    expect(embedding.length).toBeGreaterThan(1);
    expect(packed.data[at]?.embedding).toEqual(embedding.map(Math.fround));
  }
  // `cost` and `id` are ours beside OpenAI's fields.
  const { id, usage } = plain as unknown as { id: string; usage: Priced };
  expect(usage.cost).toBeGreaterThan(0);
  expect(await stage.generation(id)).toMatchObject({ total_cost: usage.cost, native_tokens_completion: 0 });
});

test("texts are judged for nothing, and continued in the older form", async () => {
  const judged = await client.moderations.create({ input: "hello" });
  expect(judged.results.map(({ flagged }) => flagged)).toEqual([false]);
  const answer = await client.completions.create({ model: MODEL, prompt: HELLO.prompt });
  expect(answer.choices).toMatchObject([{ index: 0, text: HELLO.text, finish_reason: "stop" }]);
  let text = "";
  const stream = await client.completions.create({ model: MODEL, prompt: HELLO.prompt, stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
  expect(text).toBe(HELLO.text);
});
