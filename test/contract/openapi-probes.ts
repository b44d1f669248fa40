/** The requests whose answers are held against the contract: every route of ours, its successes and its errors. */
import { createHash } from "node:crypto";
import { type Tenant, makeTenant } from "../e2e/tenant.ts";
import type { Server } from "../e2e/serve.ts";
import { FAULTS, HELLO, MODEL, MODELS, PERSON, PICTURE, THOUGHT, TOOLS } from "../e2e/upstream-aimock.ts";
import { probeFormats } from "./openapi-format-probes.ts";
import type { Ask, Asker } from "./openapi-asker.ts";

const CHAT = "POST /chat/completions";
const BAD_KEY = "sk-wp-gl1000000000000-nothing";
/** The largest body that is taken. */
const BODY_BYTES_MAX = 25 * 1024 * 1024;

const tools = Object.entries(TOOLS.schemas).map(([name, parameters]) => ({
  type: "function",
  function: { name, parameters },
}));

const user = (content: unknown) => [{ role: "user", content }];

/** Bodies that are answered, each asked for buffered and streamed. */
function answered(model: string): readonly { readonly name: string; readonly body: Record<string, unknown> }[] {
  const schema = { type: "json_schema", json_schema: { name: "person", strict: true, schema: PERSON.schema } };
  return [
    { name: "chat", body: { model, messages: user(HELLO.prompt) } },
    { name: "parallel tools", body: { model, messages: user(TOOLS.prompt), tools, tool_choice: "auto" } },
    { name: "structured output", body: { model, messages: user(PERSON.prompt), response_format: schema } },
    {
      name: "image",
      body: {
        model,
        messages: user([
          { type: "text", text: PICTURE.prompt },
          { type: "image_url", image_url: { url: PICTURE.url } },
        ]),
      },
    },
  ];
}

/** Asks everything; each answer is judged by `ask`. */
export async function probe(ask: Asker, server: Server, tenant: Tenant): Promise<void> {
  await probeCatalog(ask, tenant);
  const id = await probeChat(ask, tenant);
  await probeOwn(ask, tenant, id);
  await probeKeys(ask, tenant);
  await probeByok(ask, tenant);
  await probeBudgets(ask, tenant);
  await probeFormats(ask, server, tenant);
  // Last: a provider that was crowded or broken is left alone for a while.
  await probeChatErrors(ask, server, tenant);
}

async function probeChat(ask: Asker, { key }: Tenant): Promise<string> {
  const headers = { "X-OpenRouter-Metadata": "enabled" };
  let id = "";
  for (const model of MODELS) {
    for (const { name, body } of answered(model)) {
      for (const stream of [false, true]) {
        const variant = `${model} ${name}${stream ? ", streamed" : ""}`;
        await ask({ operation: CHAT, name: variant, key, body: { ...body, stream }, status: 200 });
      }
    }
    for (const stream of [false, true]) {
      const body = { model, messages: user(HELLO.prompt), stream, provider: { sort: "price" }, user: "u-1" };
      const name = `${model} with route explanation${stream ? ", streamed" : ""}`;
      const answer = await ask({ operation: CHAT, name, key, headers, body, status: 200 });
      if (!stream) id = (answer as { id?: string } | undefined)?.id ?? "";
    }
  }
  for (const stream of [false, true]) {
    const body = {
      model: MODELS[1],
      messages: user(THOUGHT.prompt),
      reasoning: { max_tokens: 1024 },
      max_tokens: 2048,
    };
    const name = `reasoning${stream ? ", streamed" : ""}`;
    await ask({ operation: CHAT, name, key, body: { ...body, stream }, status: 200 });
  }
  return id;
}

async function probeChatErrors(ask: Asker, server: Server, { key, managementKey }: Tenant): Promise<void> {
  const messages = user(HELLO.prompt);
  const poor = await makeTenant(server, "0.000001");
  const fault = (name: string, body: unknown, status: number, more: Partial<Ask> = {}) =>
    ask({ operation: CHAT, name, key, body, status, ...more });
  await fault("no key", { model: MODEL, messages }, 401, { key: undefined });
  await fault("forged key", { model: MODEL, messages }, 401, { key: BAD_KEY });
  await fault("management key", { model: MODEL, messages }, 403, { key: managementKey });
  await fault("not JSON", "{", 400);
  await fault("no object", "[]", 400);
  await fault("no messages", { model: MODEL }, 400);
  await fault("wrong type", { model: MODEL, messages, temperature: "hot" }, 400);
  await fault("unknown model", { model: "openai/gpt-4o-minni", messages }, 400);
  await fault("bad image", { model: MODEL, messages: user([{ type: "image_url", image_url: { url: "x" } }]) }, 400);
  await fault("no endpoint left", { model: MODEL, messages, provider: { only: ["mistral"] } }, 404, {
    headers: { "X-OpenRouter-Metadata": "enabled" },
  });
  await fault("no credit", { model: MODELS[1], messages, max_tokens: 4000 }, 402, { key: poor.key });
  await fault("too large", `{"model":"${"x".repeat(BODY_BYTES_MAX)}"}`, 413);
  await fault("refused by the provider", { model: MODEL, messages: user(FAULTS.refused.prompt) }, 400);
  await fault("broken off", { model: MODEL, messages: user(FAULTS.cut.prompt), stream: true }, 200);
  await fault("crowded provider", { model: MODELS[1], messages: user(FAULTS.crowded.prompt) }, 429);
  await fault("broken provider", { model: MODELS[2], messages: user(FAULTS.broken.prompt) }, 502);
}

async function probeCatalog(ask: Asker, { key }: Tenant): Promise<void> {
  const queries: readonly Readonly<Record<string, string>>[] = [
    {},
    { limit: "5", offset: "2" },
    { sort: "pricing-low-to-high", supported_parameters: "tools", input_modalities: "image" },
    { output_modalities: "all" },
    { region: "eu", zdr: "true" },
  ];
  for (const query of queries) {
    const name = JSON.stringify(query);
    await ask({ operation: "GET /models", name, query, status: 200 });
    await ask({ operation: "GET /models/user", name, query, key, status: 200 });
  }
  await ask({ operation: "GET /models", name: "bad filter", query: { limit: "many" }, status: 400 });
  await ask({ operation: "GET /models/user", name: "no key", status: 401 });
  await ask({ operation: "GET /models/count", name: "all", status: 200 });
  await ask({
    operation: "GET /models/count",
    name: "of a modality",
    query: { output_modalities: "image" },
    status: 200,
  });
  for (const model of MODELS) {
    const [author = "", slug = ""] = model.split("/");
    const params = { author, slug };
    await ask({ operation: "GET /model/{author}/{slug}", name: model, params, status: 200 });
    for (const asking of [key, undefined]) {
      const operation = "GET /models/{author}/{slug}/endpoints";
      await ask({ operation, name: asking ? model : `${model} without a key`, params, key: asking, status: 200 });
    }
  }
  const router = { author: "openrouter", slug: "auto" };
  await ask({ operation: "GET /model/{author}/{slug}", name: "a router", params: router, status: 200 });
  await ask({ operation: "GET /models/{author}/{slug}/endpoints", name: "a router", params: router, status: 200 });
  const params = { author: "nobody", slug: "nothing" };
  await ask({ operation: "GET /model/{author}/{slug}", name: "unknown", params, status: 404 });
  await ask({ operation: "GET /models/{author}/{slug}/endpoints", name: "unknown", params, status: 404 });
  await ask({ operation: "GET /providers", name: "all", status: 200 });
  await ask({ operation: "GET /endpoints/zdr", name: "all", status: 200 });
}

async function probeOwn(ask: Asker, { key, managementKey }: Tenant, id: string): Promise<void> {
  await ask({ operation: "GET /generation", name: "a chat", key, query: { id }, status: 200 });
  const unknown = { id: "gen-1700000000-00000000000000000000" };
  await ask({ operation: "GET /generation", name: "unknown", key, query: unknown, status: 404 });
  await ask({ operation: "GET /generation", name: "no id", key, status: 400 });
  await ask({ operation: "GET /generation", name: "no key", query: { id }, status: 401 });
  await ask({ operation: "GET /key", name: "inference key", key, status: 200 });
  await ask({ operation: "GET /key", name: "management key", key: managementKey, status: 200 });
  await ask({ operation: "GET /key", name: "no key", status: 401 });
  await ask({ operation: "GET /credits", name: "management key", key: managementKey, status: 200 });
  await ask({ operation: "GET /credits", name: "forged key", key: BAD_KEY, status: 401 });
}

async function probeKeys(ask: Asker, { key, managementKey }: Tenant): Promise<void> {
  const body = { name: "made", limit: 2.5, limit_reset: "weekly", expires_at: "2099-01-01T00:00:00Z" };
  const created = await ask({ operation: "POST /keys", name: "full", key: managementKey, body, status: 201 });
  const made = created as { data?: { hash?: string }; key?: string } | undefined;
  const params = { hash: made?.data?.hash ?? "" };
  await ask({ operation: "POST /keys", name: "plain", key: managementKey, body: { name: "plain" }, status: 201 });
  await ask({ operation: "POST /keys", name: "no name", key: managementKey, body: {}, status: 400 });
  await ask({ operation: "POST /keys", name: "no key", body, status: 401 });
  await ask({ operation: "POST /keys", name: "inference key", key, body, status: 403 });
  await ask({ operation: "GET /key", name: "limited key", key: made?.key, status: 200 });
  await ask({ operation: "GET /keys", name: "all", key: managementKey, status: 200 });
  await ask({ operation: "GET /keys", name: "bad offset", key: managementKey, query: { offset: "x" }, status: 400 });
  await ask({ operation: "GET /keys", name: "no key", status: 401 });
  await ask({ operation: "GET /keys/{hash}", name: "one", key: managementKey, params, status: 200 });
  const own = { hash: createHash("sha256").update(managementKey).digest("hex") };
  await ask({ operation: "DELETE /keys/{hash}", name: "itself", key: managementKey, params: own, status: 409 });
  await ask({ operation: "GET /keys", name: "inference key", key, status: 403 });
  const change = { name: "renamed", disabled: true, limit: null };
  const patch = "PATCH /keys/{hash}";
  await ask({ operation: patch, name: "change", key: managementKey, params, body: change, status: 200 });
  await ask({ operation: patch, name: "wrong type", key: managementKey, params, body: { limit: "much" }, status: 400 });
  const disabled = { operation: CHAT, name: "disabled key", body: { model: MODEL, messages: user(HELLO.prompt) } };
  await ask({ ...disabled, key: made?.key, status: 401 });
  await ask({ operation: "DELETE /keys/{hash}", name: "one", key: managementKey, params, status: 200 });
  for (const operation of ["GET /keys/{hash}", "DELETE /keys/{hash}", patch]) {
    const gone = operation === patch ? { body: change } : {};
    await ask({ operation, name: "unknown", key: managementKey, params, ...gone, status: 404 });
    await ask({ operation, name: "no key", params, ...gone, status: 401 });
  }
}

async function probeByok(ask: Asker, { key, managementKey }: Tenant): Promise<void> {
  const path = "/byok/{id}";
  const body = { provider: "openai", key: "sk-own-of-the-tenant-0123", name: "own", allowed_models: [MODELS[0]] };
  const created = await ask({ operation: "POST /byok", name: "full", key: managementKey, body, status: 201 });
  const params = { id: (created as { data?: { id?: string } } | undefined)?.data?.id ?? "" };
  const plain = { provider: "openai", key: "k", is_fallback: true };
  await ask({ operation: "POST /byok", name: "fallback", key: managementKey, body: plain, status: 201 });
  await ask({ operation: "POST /byok", name: "no key", body, status: 401 });
  await ask({ operation: "POST /byok", name: "inference key", key, body, status: 403 });
  const unknown = { ...body, provider: "nobody" };
  await ask({ operation: "POST /byok", name: "unknown provider", key: managementKey, body: unknown, status: 400 });
  await ask({ operation: "GET /byok", name: "all", key: managementKey, status: 200 });
  await ask({ operation: "GET /byok", name: "bad limit", key: managementKey, query: { limit: "0" }, status: 400 });
  await ask({ operation: "GET /byok", name: "no key", status: 401 });
  await ask({ operation: `GET ${path}`, name: "one", key: managementKey, params, status: 200 });
  const change = { name: null, allowed_models: null, disabled: true, key: "sk-another-of-the-tenant-45" };
  await ask({ operation: `PATCH ${path}`, name: "change", key: managementKey, params, body: change, status: 200 });
  const wrong = { allowed_models: [] };
  await ask({ operation: `PATCH ${path}`, name: "no models", key: managementKey, params, body: wrong, status: 400 });
  await ask({ operation: `DELETE ${path}`, name: "one", key: managementKey, params, status: 200 });
  for (const method of ["GET", "PATCH", "DELETE"]) {
    const gone = { operation: `${method} ${path}`, params, ...(method === "PATCH" ? { body: change } : {}) };
    await ask({ ...gone, name: "unknown", key: managementKey, status: 404 });
    await ask({ ...gone, name: "no key", status: 401 });
  }
}

async function probeBudgets(ask: Asker, { key, managementKey }: Tenant): Promise<void> {
  const path = "/workspaces/{id}/budgets";
  const params = { id: "default", interval: "monthly" };
  const body = { limit_usd: 1_000 };
  const put = `PUT ${path}/{interval}`;
  await ask({ operation: put, name: "monthly", key: managementKey, params, body, status: 200 });
  await ask({ operation: put, name: "no limit", key: managementKey, params, body: {}, status: 400 });
  await ask({ operation: put, name: "inference key", key, params, body, status: 403 });
  await ask({ operation: put, name: "no key", params, body, status: 401 });
  await ask({ operation: `GET ${path}`, name: "all", key: managementKey, params, status: 200 });
  await ask({ operation: `GET ${path}`, name: "no key", params, status: 401 });
  const elsewhere = { ...params, id: "gl10000000000000" };
  await ask({ operation: `GET ${path}`, name: "another", key: managementKey, params: elsewhere, status: 404 });
  const remove = `DELETE ${path}/{interval}`;
  await ask({ operation: remove, name: "monthly", key: managementKey, params, status: 200 });
  await ask({ operation: remove, name: "no key", params, status: 401 });
}
