/**
 * What only the `openai` package does: aborts, the catalog, embeddings and the other tasks, its own errors, reasoning in
 * Responses. Part of clients.test.ts.
 */
import OpenAI from "openai";
import { beforeAll, expect, test } from "vitest";
import { makeTenant } from "../tenant.ts";
import { HELLO, MODEL, MODELS, SLOW, STOPPABLE, THOUGHT, USAGE } from "../upstream-aimock.ts";
import { costIn } from "./client.ts";
import { makeOpenAi } from "./openai.ts";
import { say, sharedStage, type Stage } from "./stage.ts";

let stage: Stage;
let client: OpenAI;

beforeAll(async () => {
  stage = await sharedStage();
  client = makeOpenAi(stage);
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
  // `id` is ours beside OpenAI's fields, and so is the cost.
  const { id, usage } = plain as typeof plain & { readonly id: string };
  expect(costIn(usage)).toBeGreaterThan(0);
  expect(await stage.generation(id)).toMatchObject({ total_cost: costIn(usage), native_tokens_completion: 0 });
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

test("a response has its reasoning before its text", async () => {
  const thought = await client.responses.create({
    model: MODELS[1],
    input: THOUGHT.prompt,
    reasoning: { effort: "low" },
    max_output_tokens: 4096,
  });
  expect(thought.output).toMatchObject([
    { type: "reasoning", content: [{ type: "reasoning_text", text: THOUGHT.reasoning }] },
    { type: "message", content: [{ text: THOUGHT.text }] },
  ]);
});

test("a response that is to be stored is refused with the client's own error", async () => {
  const asked = client.responses.create({ model: MODEL, input: "x", store: true });
  await expect(asked).rejects.toMatchObject({
    status: 400,
    error: { code: 400, message: expect.stringContaining("not stored") },
  });
});
