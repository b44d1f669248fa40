/** The `@google/genai` client against a real server: models of every wire format, by a base URL alone. */
import { type ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FAULTS, HELLO, MODEL, MODELS, PERSON, PICTURE, TOOLS, USAGE } from "../upstream-aimock.ts";
import { openStage, type Stage } from "./stage.ts";

let stage: Stage;
let client: GoogleGenAI;

beforeAll(async () => {
  stage = await openStage();
  const baseUrl = stage.server.apiBase.replace(/\/v1$/, "");
  client = new GoogleGenAI({ apiKey: stage.tenant.key, httpOptions: { baseUrl, timeout: 60_000 } });
});
afterAll(() => stage?.close());

/** What the API adds to Google's usage. */
interface Priced {
  readonly cost: number;
}
const config = {
  tools: [
    {
      functionDeclarations: Object.entries(TOOLS.schemas).map(([name, parameters]) => ({
        name,
        parametersJsonSchema: parameters,
      })),
    },
  ],
};

test.each(MODELS)("%s answers, and its cost is the listed price", async (model) => {
  const answer = await client.models.generateContent({ model, contents: HELLO.prompt });
  expect(answer.text).toBe(HELLO.text);
  expect(answer.candidates?.[0]?.finishReason).toBe("STOP");
  expect(answer.modelVersion).toBe(model);
  expect(answer.usageMetadata).toMatchObject({
    promptTokenCount: USAGE.prompt,
    candidatesTokenCount: USAGE.completion,
    totalTokenCount: USAGE.prompt + USAGE.completion,
  });
  const { cost } = answer.usageMetadata as unknown as Priced; // `cost` is ours
  expect(cost).toBeCloseTo(await stage.listedCost(model), 9);
  expect(await stage.generation(answer.responseId ?? "")).toMatchObject({ total_cost: cost, streamed: false });
});

test.each(MODELS)("%s streams in pieces, with the usage at the end", async (model) => {
  let text = "";
  let pieces = 0;
  const totals: (number | undefined)[] = [];
  for await (const chunk of await client.models.generateContentStream({ model, contents: HELLO.prompt })) {
    if (chunk.text) pieces++;
    text += chunk.text ?? "";
    if (chunk.usageMetadata) totals.push(chunk.usageMetadata.totalTokenCount);
  }
  expect({ text, totals }).toEqual({ text: HELLO.text, totals: [USAGE.prompt + USAGE.completion] });
  expect(pieces).toBeGreaterThan(1);
});

test.each(MODELS)("%s calls several tools in parallel, and a chat goes on with their results", async (model) => {
  const chat = client.chats.create({ model, config });
  const asked = await chat.sendMessage({ message: TOOLS.prompt });
  expect(asked.functionCalls?.map(({ name, args }) => ({ name, arguments: args }))).toEqual(TOOLS.calls);
  const message = (asked.functionCalls ?? []).map(({ id, name }) => ({
    functionResponse: { id: id ?? "", name: name ?? "", response: { output: "18 degrees" } },
  }));
  expect((await chat.sendMessage({ message })).text).toBe(TOOLS.text);
});

test.each(MODELS)("%s streams whole tool calls", async (model) => {
  const forced = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } };
  const calls = [];
  const stream = await client.models.generateContentStream({
    model,
    contents: TOOLS.prompt,
    config: { ...config, toolConfig: forced },
  });
  for await (const chunk of stream) calls.push(...(chunk.functionCalls ?? []));
  expect(calls.map(({ name, args }) => ({ name, arguments: args }))).toEqual(TOOLS.calls);
});

test.each(MODELS)("%s answers in the form of a schema", async (model) => {
  const answer = await client.models.generateContent({
    model,
    contents: PERSON.prompt,
    config: { responseMimeType: "application/json", responseJsonSchema: PERSON.schema },
  });
  expect(JSON.parse(answer.text ?? "")).toEqual(PERSON.value);
});

test("a picture travels all the way", async () => {
  const [head = "", data = ""] = PICTURE.url.split(",");
  const mimeType = head.slice("data:".length, -";base64".length);
  const contents = [{ role: "user", parts: [{ text: PICTURE.prompt }, { inlineData: { mimeType, data } }] }];
  expect((await client.models.generateContent({ model: MODEL, contents })).text).toBe(PICTURE.seen);
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
