/**
 * What only `@openrouter/sdk` does: the account, its keys, the catalog, the books; aborts and its own errors. That its
 * calls resolve, through schemas made from OpenRouter's OpenAPI file, is half of each test. Part of clients.test.ts.
 */
import type { OpenRouter } from "@openrouter/sdk";
import { beforeAll, expect, test } from "vitest";
import { makeTenant } from "../tenant.ts";
import { HELLO, MODEL, MODELS, SLOW } from "../upstream-aimock.ts";
import { complete, makeOpenRouter, stream } from "./openrouter-sdk.ts";
import { say, sharedStage, type Stage } from "./stage.ts";

let stage: Stage;
let client: OpenRouter;
/** The same account, by its management key. */
let manager: OpenRouter;

beforeAll(async () => {
  stage = await sharedStage();
  client = clientOf(stage.tenant.key);
  manager = clientOf(stage.tenant.managementKey);
});

function clientOf(apiKey: string): OpenRouter {
  return makeOpenRouter(stage.server.apiBase, apiKey);
}

/** The cost that the client itself reads back. */
async function settledCost(id: string): Promise<number> {
  await stage.generation(id);
  const { data } = await client.generations.getGeneration({ id });
  expect(data.id).toBe(id);
  return data.totalCost;
}

test("presets are made, versioned, read, listed, and serve a chat", async () => {
  const slug = "kind";
  const { data: made } = await client.presets.createPresetsMessages({
    slug,
    messagesRequest: { model: "none/such", maxTokens: 64, messages: say(HELLO.prompt) },
  });
  const { data: newer } = await client.presets.createPresetsChatCompletions({
    slug,
    chatRequest: { model: MODEL, temperature: 0.5, messages: [{ role: "system", content: "Be kind." }] },
  });
  expect([made.designatedVersion?.version, newer.designatedVersion?.version]).toEqual([1, 2]);
  expect((await client.presets.get({ slug })).data).toEqual(newer);
  expect((await client.presets.getVersion({ slug, version: "1" })).data).toEqual(made.designatedVersion);
  for await (const page of await client.presets.listVersions({ slug })) expect(page.result.totalCount).toBe(2);
  for await (const page of await client.presets.list()) expect(page.result.data.map((one) => one.slug)).toEqual([slug]);
  const answer = await complete(client, { model: `@preset/${slug}`, messages: say(HELLO.prompt) });
  expect(answer).toMatchObject({ model: MODEL, choices: [{ message: { content: HELLO.text } }] });
  await stage.generation(answer.id);
  expect((await client.generations.getGeneration({ id: answer.id })).data.presetId).toBe(made.id);
});

test("an abort in mid-stream is charged for what was delivered, and getGeneration says so", async () => {
  const abort = new AbortController();
  let text = "";
  let id = "";
  const read = async (): Promise<void> => {
    for await (const chunk of await stream(client, { model: MODEL, messages: say(SLOW.prompt) }, abort.signal)) {
      id = chunk.id;
      text += chunk.choices[0]?.delta.content ?? "";
      if (text.length > SLOW.abortAfterChars) abort.abort();
    }
  };
  await expect(read()).rejects.toThrow(/abort/i);
  expect(text.length).toBeLessThan(SLOW.text.length / 2);
  expect(await settledCost(id)).toBeGreaterThan(0);
  const { data } = await client.generations.getGeneration({ id });
  expect(data).toMatchObject({ cancelled: true, streamed: true });
  expect(data.nativeTokensCompletion).toBeLessThan(SLOW.text.length / 8);
});

test("the route explanation comes with the answer when it is asked for", async () => {
  const answer = await client.chat.send({
    xOpenRouterMetadata: "enabled",
    chatRequest: { model: MODEL, messages: say(HELLO.prompt), stream: false },
  });
  if (!("choices" in answer)) throw new Error("a stream was not asked for");
  expect(answer.openrouterMetadata).toMatchObject({ requested: MODEL, attempt: 1 });
});

test("the catalog is listed, counted and read by model, endpoint and provider", async () => {
  const listed: string[] = [];
  for await (const page of await client.models.list()) listed.push(...page.result.data.map(({ id }) => id));
  const { data: counted } = await client.models.count();
  expect(listed).toHaveLength(counted.count);
  expect(listed).toEqual(expect.arrayContaining([...MODELS]));
  const [author = "", slug = ""] = MODEL.split("/");
  expect((await client.models.get({ author, slug })).data.id).toBe(MODEL);
  const { data: endpoints } = await client.endpoints.list({ author, slug });
  expect(endpoints.endpoints.map(({ tag }) => tag)).toContain("openai");
  expect((await client.providers.list()).data.map(({ slug: provider }) => provider)).toContain("openai");
  expect((await client.endpoints.listZdrEndpoints()).data.length).toBeGreaterThan(0);
});

test("credits are told to the management key and follow what was spent", async () => {
  // One that nobody else spends from meanwhile.
  const tenant = await makeTenant(stage.server, "10");
  const credits = async () => (await clientOf(tenant.managementKey).credits.getCredits()).data;
  expect(await credits()).toMatchObject({ totalCredits: 10, totalUsage: 0 });
  const answer = await complete(clientOf(tenant.key), { model: MODEL, messages: say(HELLO.prompt) });
  await expect.poll(async () => (await credits()).totalUsage).toBe(answer.usage?.cost);
});

test("a key is made, listed, read, changed, used and deleted", async () => {
  const made = await manager.apiKeys.create({ requestBody: { name: "second", limit: 1, limitReset: "daily" } });
  expect(made.data).toMatchObject({ name: "second", limit: 1, limitReset: "daily", disabled: false });
  const { hash } = made.data;
  const own = await clientOf(made.key).apiKeys.getCurrentKeyMetadata();
  expect(own.data).toMatchObject({ limit: 1, limitRemaining: 1, isManagementKey: false });
  expect((await manager.apiKeys.list()).data.map((key) => key.hash)).toContain(hash);
  const changed = await manager.apiKeys.update({ hash, requestBody: { name: "renamed", disabled: true } });
  expect(changed.data).toMatchObject({ name: "renamed", disabled: true });
  expect((await manager.apiKeys.get({ hash })).data).toMatchObject({ hash, name: "renamed" });
  const refused = clientOf(made.key).chat.send({ chatRequest: { model: MODEL, messages: say("x"), stream: false } });
  await expect(refused).rejects.toMatchObject({ name: "UnauthorizedResponseError", statusCode: 401 });
  expect(await manager.apiKeys.delete({ hash })).toEqual({ deleted: true });
  await expect(manager.apiKeys.get({ hash })).rejects.toMatchObject({ name: "NotFoundResponseError" });
});

test.each([
  {
    name: "a key that is not ours",
    error: "UnauthorizedResponseError",
    ask: () => clientOf("sk-wp-nothing").apiKeys.getCurrentKeyMetadata(),
  },
  {
    name: "an inference key on a manager's route",
    // Its OpenAPI file describes no 403 of this operation.
    error: "OpenRouterDefaultError",
    ask: () => client.apiKeys.list(),
  },
  {
    name: "a model that does not exist",
    error: "BadRequestResponseError",
    ask: () => client.chat.send({ chatRequest: { model: "openai/gpt-4o-minni", messages: say("x"), stream: false } }),
  },
  {
    name: "a provider that has no such model",
    error: "NotFoundResponseError",
    ask: () =>
      client.chat.send({
        chatRequest: { model: MODEL, messages: say("x"), stream: false, provider: { only: ["mistral"] } },
      }),
  },
  {
    name: "a generation that does not exist",
    error: "NotFoundResponseError",
    ask: () => client.generations.getGeneration({ id: "gen-1-00000000000000000000" }),
  },
])("$name raises $error", async ({ ask, error }) => {
  await expect(ask()).rejects.toMatchObject({ name: error });
});

test("an account without credits raises PaymentRequiredResponseError", async () => {
  const poor = await makeTenant(stage.server, "0.000001");
  const asked = clientOf(poor.key).chat.send({
    chatRequest: { model: MODELS[1], messages: say("Write a long story. ".repeat(50)), maxTokens: 4000, stream: false },
  });
  await expect(asked).rejects.toMatchObject({ name: "PaymentRequiredResponseError", statusCode: 402 });
});
