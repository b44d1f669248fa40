/** What only `@google/genai` does: forced calls in a stream, counting, vectors, its own errors. Part of clients.test.ts. */
import { type ApiError, FunctionCallingConfigMode, type GoogleGenAI } from "@google/genai";
import { beforeAll, expect, test } from "vitest";
import { FAULTS, HELLO, MODEL, MODELS, TOOLS } from "../upstream-aimock.ts";
import { callConfig, makeGoogleGenAi } from "./google-genai.ts";
import { sharedStage } from "./stage.ts";

let client: GoogleGenAI;

beforeAll(async () => {
  client = makeGoogleGenAi(await sharedStage());
});

test.each(MODELS)("%s streams whole tool calls", async (model) => {
  const forced = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } };
  const calls = [];
  const stream = await client.models.generateContentStream({
    model,
    contents: TOOLS.prompt,
    config: { ...callConfig, toolConfig: forced },
  });
  for await (const chunk of stream) calls.push(...(chunk.functionCalls ?? []));
  expect(calls.map(({ name, args }) => ({ name, arguments: args }))).toEqual(TOOLS.calls);
});

test("tokens are counted before they are paid for", async () => {
  const { totalTokens } = await client.models.countTokens({ model: MODEL, contents: HELLO.prompt });
  expect(totalTokens).toBeGreaterThan(0);
});

test("contents are embedded, one vector each", async () => {
  const model = "openai/text-embedding-3-small";
  const { embeddings = [] } = await client.models.embedContent({ model, contents: ["one text", "and another one"] });
  expect(embeddings).toHaveLength(2);
  for (const { values = [] } of embeddings) expect(values.length).toBeGreaterThan(1);
});

test("errors are the client's own, with the status and a sentence", async () => {
  const unknown = client.models.generateContent({ model: "nobody/nothing", contents: "hi" });
  await expect(unknown).rejects.toMatchObject({ name: "ApiError", status: 400 } satisfies Partial<ApiError>);
  const refused = client.models.generateContent({ model: MODEL, contents: FAULTS.refused.prompt });
  await expect(refused).rejects.toThrow(/INVALID_ARGUMENT/);
  const cut = async (): Promise<void> => {
    const stream = await client.models.generateContentStream({ model: MODEL, contents: FAULTS.cut.prompt });
    for await (const chunk of stream) expect(chunk).toBeDefined();
  };
  await expect(cut()).rejects.toMatchObject({ name: "ApiError" });
});
