/**
 * The official clients of the other formats against a real server, each with a model of every wire format behind it:
 * `openai` through its Responses API, and `@anthropic-ai/sdk`.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HELLO, MODEL, MODELS, PERSON, PICTURE, THOUGHT, TOOLS, USAGE } from "../upstream-aimock.ts";
import { openStage, say, type Stage } from "./stage.ts";

let stage: Stage;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  stage = await openStage();
  const apiKey = stage.tenant.key;
  openai = new OpenAI({ baseURL: stage.server.apiBase, apiKey, maxRetries: 0, timeout: 30_000 });
  anthropic = new Anthropic({ baseURL: `${stage.server.url}/api`, apiKey, maxRetries: 0, timeout: 30_000 });
});
afterAll(() => stage?.close());

/** What the API adds to the usage of each format. */
const costOf = (usage: unknown): number => (usage as { readonly cost: number }).cost;

const entries = Object.entries(TOOLS.schemas);
const functions = entries.map(([name, parameters]) => ({
  type: "function" as const,
  name,
  parameters: { ...parameters },
  strict: false,
}));
const tools = entries.map(([name, schema]) => ({ name, input_schema: { ...schema, required: [...schema.required] } }));

test.each(MODELS)("%s answers and streams a response, at its listed price", async (model) => {
  const response = await openai.responses.create({ model, input: HELLO.prompt, store: false });
  expect(response).toMatchObject({ status: "completed", output_text: HELLO.text });
  expect(response.usage).toMatchObject({ input_tokens: USAGE.prompt, output_tokens: USAGE.completion });
  expect(costOf(response.usage)).toBeCloseTo(await stage.listedCost(model), 9);
  expect(await stage.generation(response.id)).toMatchObject({ total_cost: costOf(response.usage), streamed: false });

  const stream = openai.responses.stream({ model, input: HELLO.prompt });
  let pieces = 0;
  for await (const event of stream) if (event.type === "response.output_text.delta") pieces++;
  const final = await stream.finalResponse();
  expect(pieces).toBeGreaterThan(1);
  expect(final).toMatchObject({ status: "completed", output_text: HELLO.text });
  expect(await stage.generation(final.id)).toMatchObject({ total_cost: costOf(final.usage), streamed: true });
});

test.each(MODELS)("%s calls tools in parallel in a response, and goes on with their results", async (model) => {
  const input = say(TOOLS.prompt);
  const asked = await openai.responses.stream({ model, input, tools: functions }).finalResponse();
  const calls = asked.output.filter((item) => item.type === "function_call");
  expect(calls.map(({ name, arguments: said }) => ({ name, arguments: JSON.parse(said) as unknown }))).toEqual(
    TOOLS.calls,
  );
  const results = calls.map(({ call_id }) => ({
    type: "function_call_output" as const,
    call_id,
    output: "18 degrees",
  }));
  const answer = await openai.responses.create({
    model,
    tools: functions,
    // What was answered is what is sent back; the client's types tell the two apart.
    input: [...input, ...(asked.output as OpenAI.Responses.ResponseInputItem[]), ...results],
  });
  expect(answer.output_text).toBe(TOOLS.text);
});

test.each(MODELS)("%s gives a response in the wanted structure", async (model) => {
  const response = await openai.responses.create({
    model,
    input: PERSON.prompt,
    text: { format: { type: "json_schema", name: "person", strict: true, schema: { ...PERSON.schema } } },
  });
  expect(JSON.parse(response.output_text)).toEqual(PERSON.value);
});

test("an image reaches the model through a response, and its reasoning comes with the answer", async () => {
  const seen = await openai.responses.create({
    model: MODEL,
    input: [
      {
        role: "user",
        content: [
          { type: "input_text", text: PICTURE.prompt },
          { type: "input_image", image_url: PICTURE.url, detail: "low" },
        ],
      },
    ],
  });
  expect(seen.output_text).toBe(PICTURE.seen);
  const thought = await openai.responses.create({
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

test.each(MODELS)("%s answers and streams a message, at its listed price", async (model) => {
  const message = await anthropic.messages.create({ model, max_tokens: 500, messages: say(HELLO.prompt) });
  expect(message).toMatchObject({ stop_reason: "end_turn", content: [{ type: "text", text: HELLO.text }] });
  expect(message.usage).toMatchObject({ input_tokens: USAGE.prompt, output_tokens: USAGE.completion });
  expect(costOf(message.usage)).toBeCloseTo(await stage.listedCost(model), 9);
  expect(await stage.generation(message.id)).toMatchObject({ total_cost: costOf(message.usage), streamed: false });

  let pieces = 0;
  const stream = anthropic.messages.stream({ model, max_tokens: 500, messages: say(HELLO.prompt) });
  stream.on("text", () => pieces++);
  const final = await stream.finalMessage();
  expect(pieces).toBeGreaterThan(1);
  expect(final).toMatchObject({ stop_reason: "end_turn", content: [{ type: "text", text: HELLO.text }] });
  expect(final.usage).toMatchObject({ input_tokens: USAGE.prompt, output_tokens: USAGE.completion });
  expect(await stage.generation(final.id)).toMatchObject({ streamed: true });
});

test.each(MODELS)("%s calls tools in parallel in a message, and goes on with their results", async (model) => {
  const messages = say(TOOLS.prompt);
  const asked = await anthropic.messages.stream({ model, max_tokens: 500, messages, tools }).finalMessage();
  expect(asked.stop_reason).toBe("tool_use");
  const calls = asked.content.filter((block) => block.type === "tool_use");
  expect(calls.map(({ name, input }) => ({ name, arguments: input }))).toEqual(TOOLS.calls);
  const answer = await anthropic.messages.create({
    model,
    max_tokens: 500,
    tools,
    messages: [
      ...messages,
      { role: "assistant", content: asked.content },
      {
        role: "user",
        content: calls.map(({ id }, at) => ({
          type: "tool_result" as const,
          tool_use_id: id,
          content: "18 degrees",
          is_error: at === 2,
        })),
      },
    ],
  });
  expect(answer.content).toMatchObject([{ type: "text", text: TOOLS.text }]);
});

test.each(MODELS)("%s gives a message in the wanted structure", async (model) => {
  const message = await anthropic.messages.create({
    model,
    max_tokens: 500,
    messages: say(PERSON.prompt),
    output_config: { format: { type: "json_schema", schema: { ...PERSON.schema } } },
  });
  const [block] = message.content;
  expect(JSON.parse(block?.type === "text" ? block.text : "")).toEqual(PERSON.value);
});

test("an image reaches the model through a message, and thinking comes with the answer", async () => {
  const data = PICTURE.url.slice(PICTURE.url.indexOf(",") + 1);
  const seen = await anthropic.messages.create({
    model: MODEL,
    max_tokens: 500,
    system: [{ type: "text", text: "Look well.", cache_control: { type: "ephemeral" } }],
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: PICTURE.prompt },
          { type: "image", source: { type: "base64", media_type: "image/png", data } },
        ],
      },
    ],
  });
  expect(seen.content).toMatchObject([{ type: "text", text: PICTURE.seen }]);
  const thought = await anthropic.messages
    .stream({
      model: MODELS[1],
      max_tokens: 4096,
      thinking: { type: "enabled", budget_tokens: 1024 },
      messages: say(THOUGHT.prompt),
    })
    .finalMessage();
  expect(thought.content).toMatchObject([
    { type: "thinking", thinking: THOUGHT.reasoning },
    { type: "text", text: THOUGHT.text },
  ]);
});

test("a prompt is counted, and errors are the clients' own", async () => {
  const messages = say(HELLO.prompt);
  const counted = await anthropic.messages.countTokens({ model: MODELS[1], messages });
  expect(counted.input_tokens).toBeGreaterThan(0);
  const body = { model: MODEL, max_tokens: 9, messages };
  await expect(
    anthropic.withOptions({ apiKey: "sk-wp-gl1000000000000-nothing" }).messages.create(body),
  ).rejects.toThrow(Anthropic.AuthenticationError);
  const missing = anthropic.messages.create({ ...body, model: "openai/gpt-4o-minni" });
  await expect(missing).rejects.toMatchObject({ status: 400, error: { error: { type: "invalid_request_error" } } });
  await expect(openai.responses.create({ model: MODEL, input: "x", store: true })).rejects.toMatchObject({
    status: 400,
    error: { code: 400, message: expect.stringContaining("not stored") },
  });
});
