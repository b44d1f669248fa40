/** What the AI SDK does beside the matrix: it leaves in mid-stream, and raises errors of its own. Part of clients.test.ts. */
import { createOpenRouter, type OpenRouterProvider } from "@openrouter/ai-sdk-provider";
import { APICallError, generateText, streamText } from "ai";
import { beforeAll, expect, test } from "vitest";
import { MODEL, SLOW } from "../upstream-aimock.ts";
import { makeOpenRouterProvider } from "./ai-sdk.ts";
import { sharedStage, type Stage } from "./stage.ts";

let stage: Stage;
let provider: OpenRouterProvider;

beforeAll(async () => {
  stage = await sharedStage();
  provider = makeOpenRouterProvider(stage);
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
