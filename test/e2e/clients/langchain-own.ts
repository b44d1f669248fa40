/**
 * What LangChain does beside the matrix: structures asked for by a tool that must be called, vectors, its own errors.
 * Part of clients.test.ts.
 */
import { OpenAIEmbeddings } from "@langchain/openai";
import { beforeAll, expect, test } from "vitest";
import { MODEL, MODELS, PERSON } from "../upstream-aimock.ts";
import { Person } from "./client.ts";
import { makeChatOpenAi, makeChatOpenRouter } from "./langchain.ts";
import { sharedStage, type Stage } from "./stage.ts";
import { readSent } from "./wire.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await sharedStage();
});

const byTool = { method: "functionCalling", name: "person" } as const;

test.each(MODELS)("%s gives a structure by a tool that must be called", async (model) => {
  for (const chat of [makeChatOpenAi(stage, model), makeChatOpenRouter(stage, model)]) {
    expect(await chat.withStructuredOutput(Person, byTool).invoke(PERSON.prompt)).toEqual(PERSON.value);
    const last = stage.upstream.recorded().at(-1);
    expect(last && readSent(last).schema).toMatchObject({
      properties: { name: {}, age: {} },
      required: ["name", "age"],
    });
  }
});

test("texts become vectors", async () => {
  const { server, tenant } = stage;
  const configuration = { baseURL: server.apiBase };
  const embeddings = new OpenAIEmbeddings({
    model: "openai/text-embedding-3-small",
    apiKey: tenant.key,
    configuration,
  });
  const vectors = await embeddings.embedDocuments(["one text", "and another one"]);
  expect(vectors).toHaveLength(2);
  for (const vector of vectors) expect(vector.length).toBeGreaterThan(1);
  expect(vectors[0]).not.toEqual(vectors[1]);
});

test("errors are the clients' own, with the status", async () => {
  const stranger = { ...stage, tenant: { ...stage.tenant, key: "sk-wp-nothing" } };
  await expect(makeChatOpenAi(stranger, MODEL).invoke("x")).rejects.toMatchObject({ status: 401 });
  await expect(makeChatOpenRouter(stranger, MODEL).invoke("x")).rejects.toMatchObject({
    name: "OpenRouterAuthError",
    statusCode: 401,
  });
  await expect(makeChatOpenRouter(stage, "openai/gpt-4o-minni").invoke("x")).rejects.toMatchObject({
    name: "OpenRouterError",
    statusCode: 400,
  });
});
