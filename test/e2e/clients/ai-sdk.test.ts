/** The AI SDK (`ai`) with `@openrouter/ai-sdk-provider` against a real server. */
import { createOpenRouter, type OpenRouterProvider } from "@openrouter/ai-sdk-provider";
import { APICallError, generateObject, generateText, isStepCount, jsonSchema, streamText, tool } from "ai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HELLO, MODEL, MODELS, PERSON, PICTURE, SLOW, TOOLS, USAGE } from "../upstream-aimock.ts";
import { openStage, type Stage } from "./stage.ts";

let stage: Stage;
let provider: OpenRouterProvider;

beforeAll(async () => {
  stage = await openStage();
  provider = createOpenRouter({ baseURL: stage.server.apiBase, apiKey: stage.tenant.key, compatibility: "strict" });
});
afterAll(() => stage?.close());

interface CityInput {
  readonly city: string;
  readonly unit?: string;
}

/** Tools that note what they were called with; their results are of no matter to the next turn. */
function toolsNoting(seen: unknown[]) {
  const noting = (name: keyof typeof TOOLS.schemas) =>
    tool({
      description: name,
      inputSchema: jsonSchema<CityInput>({ ...TOOLS.schemas[name], required: [...TOOLS.schemas[name].required] }),
      execute: (input) => {
        seen.push({ name, arguments: input });
        return "18 degrees";
      },
    });
  return { get_weather: noting("get_weather"), get_time: noting("get_time") };
}

/** What the answer's own metadata says that it cost. */
function costOf(metadata: Readonly<Record<string, unknown>> | undefined): unknown {
  return (metadata as { openrouter?: { usage?: { cost?: unknown } } } | undefined)?.openrouter?.usage?.cost;
}

const usage = { inputTokens: USAGE.prompt, outputTokens: USAGE.completion };

test.each(MODELS)("%s: generateText answers, with the cost of /generation in its metadata", async (model) => {
  const answer = await generateText({ model: provider(model), prompt: HELLO.prompt, maxRetries: 0 });
  expect(answer).toMatchObject({ text: HELLO.text, finishReason: "stop", usage });
  const { total_cost: cost } = await stage.generation(answer.response.id);
  expect(costOf(answer.providerMetadata)).toBe(cost);
  expect(cost).toBeCloseTo(await stage.listedCost(model), 9);
});

test.each(MODELS)("%s: streamText streams, with the cost of /generation in its metadata", async (model) => {
  const answer = streamText({ model: provider(model), prompt: HELLO.prompt, maxRetries: 0 });
  const pieces: string[] = [];
  for await (const piece of answer.textStream) pieces.push(piece);
  expect(pieces.join("")).toBe(HELLO.text);
  expect(pieces.length).toBeGreaterThan(1);
  expect(await answer.usage).toMatchObject(usage);
  const { id } = await answer.response;
  expect(costOf(await answer.providerMetadata)).toBe((await stage.generation(id)).total_cost);
});

test.each(MODELS)("%s: several tools are called in one step, and the next one answers", async (model) => {
  const seen: unknown[] = [];
  const answer = await generateText({
    model: provider(model),
    prompt: TOOLS.prompt,
    tools: toolsNoting(seen),
    stopWhen: isStepCount(3),
    maxRetries: 0,
  });
  expect(seen).toEqual(TOOLS.calls);
  expect(answer.steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
  expect(answer.text).toBe(TOOLS.text);
});

test.each(MODELS)("%s: several tools are called in one streamed step, and the next one answers", async (model) => {
  const seen: unknown[] = [];
  const answer = streamText({
    model: provider(model),
    prompt: TOOLS.prompt,
    tools: toolsNoting(seen),
    stopWhen: isStepCount(3),
    maxRetries: 0,
  });
  expect(await answer.text).toBe(TOOLS.text);
  expect(seen).toEqual(TOOLS.calls);
});

test.each(MODELS)("%s: generateObject gives the wanted structure", async (model) => {
  const answer = await generateObject({
    model: provider(model),
    schema: jsonSchema<{ name: string; age: number }>({ ...PERSON.schema, required: [...PERSON.schema.required] }),
    schemaName: "person",
    prompt: PERSON.prompt,
    maxRetries: 0,
  });
  expect(answer.object).toEqual(PERSON.value);
});

test("an image reaches the model", async () => {
  const [head = "", data = ""] = PICTURE.url.split(",");
  const answer = await generateText({
    model: provider(MODEL),
    maxRetries: 0,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: PICTURE.prompt },
          { type: "file", data, mediaType: head.slice("data:".length, head.indexOf(";")) },
        ],
      },
    ],
  });
  expect(answer.text).toBe(PICTURE.seen);
});

test("an abort in mid-stream is charged for what was delivered", async () => {
  const abort = new AbortController();
  let text = "";
  let id = "";
  const answer = streamText({
    model: provider(MODEL),
    prompt: SLOW.prompt,
    abortSignal: abort.signal,
    includeRawChunks: true,
    maxRetries: 0,
    onError: () => undefined,
  });
  for await (const part of answer.fullStream) {
    if (part.type === "raw") id = (part.rawValue as { id: string }).id;
    if (part.type === "text-delta") text += part.text;
    if (text.length > SLOW.abortAfterChars) abort.abort();
  }
  expect(text.length).toBeLessThan(SLOW.text.length / 2);
  const record = await stage.generation(id);
  expect(record).toMatchObject({ cancelled: true, estimated: true });
  expect(record.total_cost).toBeGreaterThan(0);
  expect(record.native_tokens_completion).toBeLessThan(SLOW.text.length / 8);
});

test.each([
  { name: "a key that is not ours", apiKey: "sk-wp-nothing", model: MODEL, status: 401 },
  { name: "a model that does not exist", apiKey: undefined, model: "openai/gpt-4o-minni", status: 400 },
])("$name raises an APICallError with status $status", async ({ apiKey, model, status }) => {
  const own = createOpenRouter({ baseURL: stage.server.apiBase, apiKey: apiKey ?? stage.tenant.key });
  const raised: unknown = await generateText({ model: own(model), prompt: "x", maxRetries: 0 }).catch(
    (reason: unknown) => reason,
  );
  expect(APICallError.isInstance(raised)).toBe(true);
  expect(raised).toMatchObject({ statusCode: status, isRetryable: false });
});
