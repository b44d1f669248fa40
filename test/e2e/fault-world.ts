/**
 * A real Waypost with a catalog made for faults: every model lives at `near` and `far`, whose upstreams are fault
 * servers; what the near one does is part of the model's name. Each case has a model of its own, so that no case's
 * failures are another's health, and an account of its own, so that its charge is the whole of what the account lost.
 */
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { isObject } from "../../src/core/json.ts";
import { parseUsd, type NanoUsd } from "../../src/core/money.ts";
import { startFaultUpstream, type FaultUpstream } from "./fault-upstream.ts";
import { freePort, serve, type Server } from "./serve.ts";

/** Short, so that a stall is over soon; `late-9000` needs more for its first token and has none to lose. */
const LIMITS_MS = { headers: 2_000, firstToken: 3_000, idle: 1_500, total: 6_000 };

/** Dollars per million tokens, so that a charge tells who served. */
const PRICES = { near: { prompt: 1, completion: 2 }, far: { prompt: 3, completion: 4 } } as const;
/** Planted where only upstreams may see it. */
export const CREDENTIALS = { near: "sk-planted-near-0a1b2c3d4e5f", far: "planted.far.9z8y7x6w5v4u" } as const;

export interface FaultWorld {
  readonly server: Server;
  readonly near: FaultUpstream;
  readonly far: FaultUpstream;
  stop(): Promise<void>;
}

/** One endpoint of a case's model. */
export interface EndpointWish {
  readonly provider: string;
  /** What its upstream does; a mode of fault-upstream.ts. */
  readonly mode: string;
}

/**
 * Providers beside `near` and `far`: nobody listens at `gone`, `bills` bills to the end, `stall1`... only stall, and for
 * `bare` the operator has no credential.
 */
const PROVIDERS = [
  "near",
  "far",
  "gone",
  "bills",
  "dues",
  "denied",
  "stall1",
  "stall2",
  "stall3",
  "stall4",
  "bare",
] as const;

/** Starts upstreams and server, which gets `more` of an environment, and publishes `models`. */
export async function startFaultWorld(
  models: ReadonlyMap<string, readonly EndpointWish[]>,
  more: Readonly<Record<string, string>> = {},
): Promise<FaultWorld> {
  const [near, far] = [await startFaultUpstream(), await startFaultUpstream()];
  const env: Record<string, string> = {
    WAYPOST_DEADLINE_HEADERS_MS: String(LIMITS_MS.headers),
    WAYPOST_DEADLINE_FIRST_TOKEN_MS: String(LIMITS_MS.firstToken),
    WAYPOST_DEADLINE_IDLE_MS: String(LIMITS_MS.idle),
    WAYPOST_DEADLINE_TOTAL_MS: String(LIMITS_MS.total),
  };
  for (const provider of PROVIDERS) {
    const name = provider.toUpperCase();
    if (provider !== "bare") env[`${name}_API_KEY`] = provider === "far" ? CREDENTIALS.far : CREDENTIALS.near;
    env[`${name}_BASE_URL`] = provider === "far" ? far.baseUrl : near.baseUrl;
  }
  env["GONE_BASE_URL"] = `http://127.0.0.1:${await freePort()}/v1`;
  const server = await serve({ env: { ...env, ...more } });
  const published = await call(server, "PUT", "/admin/catalog", server.operatorKey, catalogOf(models));
  expect(published).toMatchObject({ status: 200, body: { data: { models: models.size } } });
  return {
    server,
    near,
    far,
    async stop() {
      await server.stop();
      await Promise.all([near.close(), far.close()]);
    },
  };
}

function catalogOf(models: ReadonlyMap<string, readonly EndpointWish[]>): unknown {
  return {
    version: 1,
    providers: PROVIDERS.map((slug) => ({
      slug,
      name: nameOf(slug),
      adapter: "openai-compatible",
      base_url: "https://unused.example/v1",
      regions: [{ id: "one", latitude: 50, longitude: 8, jurisdiction: null, source: "test" }],
      data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
      cancellation: cancellationOf(slug),
    })),
    models: [...models].map(([id, endpoints]) => ({
      id,
      canonical_slug: id,
      name: id,
      created_s: 1_760_000_000,
      input_modalities: ["text"],
      output_modalities: ["text"],
      endpoints: endpoints.map(({ provider, mode }) => {
        const { prompt, completion } = provider === "far" ? PRICES.far : PRICES.near;
        return {
          tag: provider,
          provider,
          upstream_model: mode,
          price: { prompt: prompt * 1_000_000, completion: completion * 1_000_000 },
          price_source: "test",
          context_length: 128_000,
          max_completion_tokens: 1_000,
          supported_parameters: ["max_tokens", "temperature"],
          input_modalities: ["text"],
        };
      }),
    })),
  };
}

/** Of an answer that is left at `dues`: $0.002 and a tenth of what it cost by then. */
const SURCHARGE = { surcharge: 2_000_000_000, surcharge_bps: 1_000 };

function cancellationOf(slug: string): unknown {
  if (slug === "dues") return { policy: "bills_surcharge", ...SURCHARGE, source: "test" };
  return { policy: slug === "bills" ? "bills_all" : "stops", source: "test" };
}

/** The provider's display name. */
export function nameOf(slug: string): string {
  return `The ${slug}`;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; a text that is not JSON stays text. */
  readonly body: unknown;
}

/** A call of the API. */
export async function call(server: Server, method: string, path: string, key: string, body?: unknown): Promise<Reply> {
  const response = await fetch(`${server.apiBase}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parsedOr(text) };
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export interface TestAccount {
  readonly id: string;
  readonly key: string;
  readonly managementKey: string;
}

const START_USD = "1";

/** A new account with a dollar. */
export async function newAccount({ server }: FaultWorld): Promise<TestAccount> {
  const made = await call(server, "POST", "/admin/accounts", server.operatorKey, { name: "case" });
  const { body } = made;
  if (!isObject(body) || !isObject(body["data"])) throw new Error(`No account was made: ${JSON.stringify(made)}`);
  const account = {
    id: String(body["data"]["id"]),
    key: String(body["key"]),
    managementKey: String(body["management_key"]),
  };
  const credit = { amount: START_USD, idempotency_key: "start", reason: "test" };
  const given = await call(server, "POST", `/admin/accounts/${account.id}/credits`, server.operatorKey, credit);
  expect(given.status).toBe(200);
  return account;
}

/** What `look` finds within ten seconds; concurrent tests cannot use `expect.poll`. */
export async function until<T>(
  look: () => Promise<T | undefined> | T | undefined,
  what: string,
  waitMs = 10_000,
): Promise<T> {
  const endMs = Date.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > endMs) throw new Error(`${what}: not within ${waitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** What the account has paid, once nothing is held any more; fails when a hold stays. */
export async function chargeOf({ server }: FaultWorld, account: TestAccount): Promise<NanoUsd> {
  const view = await until(async () => {
    const { body } = await call(server, "GET", `/admin/accounts/${account.id}`, server.operatorKey);
    const data = isObject(body) && isObject(body["data"]) ? body["data"] : {};
    return data["held"] === "0" ? data : undefined;
  }, `no hold of ${account.id}`);
  const [balance, start] = [parseUsd(String(view["balance"])), parseUsd(START_USD)];
  if (!balance.ok || !start.ok) throw new Error(`No balance: ${JSON.stringify(view)}`);
  return start.value - balance.value;
}

/** What the prompt and the completion of an answer cost at a provider. */
export function costAt(provider: string, promptTokens: number, completionTokens: number): NanoUsd {
  const { prompt, completion } = provider === "far" ? PRICES.far : PRICES.near;
  return BigInt(promptTokens * prompt + completionTokens * completion) * 1_000n;
}

/** The record of a generation, once it is there; `attempts` as `provider:status:outcome`. */
export async function generationOf(
  { server }: FaultWorld,
  account: TestAccount,
  id: string,
): Promise<Record<string, unknown> & { readonly attempts: readonly string[] }> {
  const record = await until(async () => {
    const { body } = await call(server, "GET", `/generation?id=${id}`, account.key);
    return isObject(body) && isObject(body["data"]) ? body["data"] : undefined;
  }, `the record of ${id}`);
  const tried: readonly unknown[] = Array.isArray(record["provider_responses"]) ? record["provider_responses"] : [];
  const attempts = tried.map((attempt) =>
    isObject(attempt) ? `${attempt["endpoint_id"]}:${attempt["status"]}:${attempt["outcome"]}` : "?",
  );
  return { ...record, attempts };
}

/** A streamed answer taken apart. */
export interface Stream {
  readonly status: number;
  readonly headers: Headers;
  /** All bytes as text. */
  readonly raw: string;
  readonly text: string;
  /** `error` of each event that has one. */
  readonly errors: readonly Record<string, unknown>[];
  readonly isDone: boolean;
  /** The last usage. */
  readonly usage: Record<string, unknown> | null;
  readonly comments: number;
}

/** Reads a streamed answer to its end. Throws for a line that is neither comment, data nor blank. */
export async function readStream(response: Response): Promise<Stream> {
  const raw = await response.text();
  let [text, isDone, comments] = ["", false, 0];
  let usage: Record<string, unknown> | null = null;
  const errors: Record<string, unknown>[] = [];
  for (const line of response.headers.get("content-type")?.includes("event-stream") === true ? raw.split("\n") : []) {
    if (line === "") continue;
    if (line.startsWith(":")) comments++;
    else if (line === "data: [DONE]") isDone = true;
    else {
      if (isDone || !line.startsWith("data: ")) throw new Error(`Not a line of a stream: ${line}`);
      const event: unknown = JSON.parse(line.slice(6));
      if (!isObject(event)) throw new Error(`Not an event: ${line}`);
      if (isObject(event["error"])) errors.push(event["error"]);
      else if (errors.length > 0) throw new Error(`An event after the error: ${line}`);
      if (isObject(event["usage"])) usage = event["usage"];
      text += contentOf(event);
    }
  }
  return { status: response.status, headers: response.headers, raw, text, errors, isDone, usage, comments };
}

function contentOf(event: Record<string, unknown>): string {
  const choice: unknown = Array.isArray(event["choices"]) ? event["choices"][0] : undefined;
  const delta = isObject(choice) ? choice["delta"] : undefined;
  return isObject(delta) && typeof delta["content"] === "string" ? delta["content"] : "";
}

/**
 * Asks over a connection of its own that reads nothing. A client that is done with a connection ends it with a FIN, which
 * says "I have nothing more to send" and no more; workerd hears of the leaving with the next write. `resetAndDestroy`
 * is how a client that crashes, or has unread data, leaves: it is heard at once.
 */
export function askRaw({ server }: FaultWorld, account: TestAccount, body: Readonly<Record<string, unknown>>): Socket {
  const text = JSON.stringify({ messages: [{ role: "user", content: PROMPT }], max_tokens: 200, ...body });
  const socket = connect(server.port, "127.0.0.1");
  socket.pause();
  socket.write(
    `POST /api/v1/chat/completions HTTP/1.1\r\nhost: waypost\r\nauthorization: Bearer ${account.key}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return socket;
}

export const PROMPT = "Count to five, please.";

/** Asks for a chat completion; the answer's body is unread. */
export function ask(
  { server }: FaultWorld,
  account: TestAccount,
  body: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${server.apiBase}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${account.key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ messages: [{ role: "user", content: PROMPT }], max_tokens: 200, ...body }),
    ...(signal === undefined ? {} : { signal }),
  });
}
