/** `Idempotency-Key` through the API: one answer, one charge, whoever asks again and whatever becomes of the first. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { NO_USAGE } from "../../src/core/usage.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { USD } from "./account-setup.ts";
import { ask, newTenant, publishForest, type Tenant } from "./fixture.ts";

const SECRET_WORD = "marzipan";

const WAIT_MS = 1_500;

let calls = 0;
/** What the upstream does next: how long it takes, and what it answers. */
let upstream: { delayMs: number; status: number; words: readonly string[] };

beforeAll(async () => {
  await publishForest();
  for (const slug of ["elm", "fir", "oak"]) {
    const set = await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, {
      credential: `key-of-${slug}-0123456789`,
    });
    expect(set.status).toBe(200);
  }
});
beforeEach(() => {
  calls = 0;
  upstream = { delayMs: 0, status: 200, words: ["Hello ", SECRET_WORD] };
  vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
    calls++;
    const { delayMs, status, words } = upstream;
    const answered = `${calls}`;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (status !== 200) return new Response("{}", { status });
    const usage = { prompt_tokens: 10, completion_tokens: 2 };
    const { stream } = JSON.parse(String(init.body)) as { stream?: boolean }; // what our encoder wrote
    if (stream !== true) {
      const message = { role: "assistant", content: `${words.join("")} ${answered}` };
      return Response.json({ id: "up-1", choices: [{ index: 0, message, finish_reason: "stop" }], usage });
    }
    return new Response(eventsOf(words, answered, usage), { headers: { "Content-Type": "text/event-stream" } });
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** The word "WAIT" stops the stream for WAIT_MS; "CUT" breaks it off. */
function eventsOf(words: readonly string[], last: string, usage: unknown): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const event = (value: unknown) => encoder.encode(`data: ${JSON.stringify(value)}\n\n`);
  return new ReadableStream({
    type: "bytes",
    async start(controller) {
      for (const content of [...words, last]) {
        if (content === "WAIT") {
          await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
          continue;
        }
        if (content === "CUT") return controller.close();
        controller.enqueue(event({ id: "up-1", choices: [{ index: 0, delta: { content } }] }));
      }
      controller.enqueue(event({ id: "up-1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage }));
      controller.enqueue(encoder.encode("data: [DONE]\n\n"));
      return controller.close();
    },
  });
}

interface Asked {
  readonly key?: string;
  readonly bearer?: string;
  readonly body?: Record<string, unknown>;
  readonly path?: string;
  readonly signal?: AbortSignal;
}

async function send(
  tenant: Tenant,
  { key, bearer, body = {}, path = "/api/v1/chat/completions", signal }: Asked,
): Promise<Response> {
  return await exports.default.fetch(
    new Request(`https://waypost.test${path}`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${bearer ?? tenant.key}`,
        "Content-Type": "application/json",
        ...(key === undefined ? {} : { "Idempotency-Key": key }),
      },
      body: JSON.stringify({
        model: "forest/leaf",
        messages: [{ role: "user", content: "Hi" }],
        max_tokens: 50,
        ...body,
      }),
      ...(signal === undefined ? {} : { signal }),
    }),
  );
}

interface Heard {
  readonly status: number;
  readonly text: string;
  readonly headers: Record<string, string>;
}
const chat = async (tenant: Tenant, asked: Asked): Promise<Heard> => {
  const response = await send(tenant, asked);
  return { status: response.status, text: await response.text(), headers: Object.fromEntries(response.headers) };
};

/** What the account was charged, once all is settled. */
async function charged(tenant: Tenant): Promise<bigint> {
  const view = async () => {
    const answer = await tenant.gate.view();
    return answer.ok ? answer.value : undefined;
  };
  await vi.waitFor(async () => expect((await view())?.heldNusd).toBe(0n), { timeout: 5_000 });
  return (await view())?.totalUsageNusd ?? -1n;
}

const STREAM = { stream: true };
/** A model of its own for what makes its provider look ill. */
const ROOT = { model: "forest/root" };

test.each([
  { name: "buffered", body: {} },
  { name: "streamed", body: STREAM },
])("a $name answer is given again byte by byte, with its headers, and charged once", async ({ body }) => {
  const tenant = await newTenant(USD);
  const first = await chat(tenant, { key: "one", body });
  expect(first).toMatchObject({ status: 200, text: expect.stringContaining(SECRET_WORD) });
  const once = await charged(tenant);
  expect(once).toBeGreaterThan(0n);
  // The second one after the gate has started over: what is kept is in its storage. The other prefix is the same request.
  for (const path of ["/api/v1/chat/completions", "/v1/chat/completions"]) {
    const again = await chat(tenant, { key: "one", body, path });
    expect(again.text).toBe(first.text);
    const { "x-request-id": _first, ...same } = first.headers;
    const { "x-request-id": _again, ...given } = again.headers;
    expect(given).toEqual({ ...same, "idempotent-replayed": "true" });
    await evictDurableObject(tenant.gate);
  }
  expect(calls).toBe(1);
  expect(await charged(tenant)).toBe(once);
});

test.each([
  { name: "buffered", body: {} },
  { name: "streamed", body: STREAM },
])("of ten parallel $name requests one is served, and all get its answer", async ({ body }) => {
  const tenant = await newTenant(USD);
  upstream.delayMs = 300;
  const heard = await Promise.all(Array.from({ length: 10 }, () => chat(tenant, { key: "many", body })));
  expect(new Set(heard.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(heard.filter(({ headers }) => headers["idempotent-replayed"] === "true")).toHaveLength(9);
  expect(calls).toBe(1);
});

test("without the header, and with other keys, each request is served", async () => {
  const tenant = await newTenant(USD);
  for (const key of [undefined, undefined, "a", "b"])
    expect((await chat(tenant, key === undefined ? {} : { key })).status).toBe(200);
  expect(calls).toBe(4);
});

test("the same key of another API key, or of another account, is another key", async () => {
  const tenant = await newTenant(USD);
  const made = await ask("POST", "/keys", tenant.managementKey, { name: "second" });
  const bearer = (made.body as { key: string }).key; // as POST /keys answers
  expect((await chat(tenant, { key: "one" })).status).toBe(200);
  expect((await chat(tenant, { key: "one", bearer })).headers["idempotent-replayed"]).toBeUndefined();
  expect((await chat(await newTenant(USD), { key: "one" })).headers["idempotent-replayed"]).toBeUndefined();
  expect(calls).toBe(3);
});

test("the same key with another body is a 422 that names the header, and changes nothing", async () => {
  const tenant = await newTenant(USD);
  const first = await chat(tenant, { key: "one" });
  const other = await chat(tenant, { key: "one", body: { temperature: 0.5 } });
  expect(other.status).toBe(422);
  expect(JSON.parse(other.text)).toMatchObject({
    error: { metadata: { error_type: "unprocessable", path: "Idempotency-Key" } },
  });
  expect((await chat(tenant, { key: "one" })).text).toBe(first.text);
  expect(calls).toBe(1);
});

test.each([
  { name: "256 characters", key: "x".repeat(256) },
  { name: "nothing", key: "" },
  { name: "a letter outside ASCII", key: "schl\u00fcssel" },
  { name: "a tab inside", key: "a\tb" },
])("a key of $name is a 400 that names the header; nothing is asked or kept", async ({ key }) => {
  const tenant = await newTenant(USD);
  const heard = await chat(tenant, { key });
  expect(heard.status).toBe(400);
  expect(JSON.parse(heard.text)).toMatchObject({ error: { metadata: { path: "Idempotency-Key" } } });
  expect(calls).toBe(0);
});

test("a key of 255 characters is fine", async () => {
  const tenant = await newTenant(USD);
  expect((await chat(tenant, { key: "~".repeat(255) })).status).toBe(200);
});

test.each([
  { name: "a body that is no request", given: { body: { temperature: "hot" } }, status: 400 },
  { name: "no credit", given: {}, status: 402, credit: 0n },
  { name: "an upstream that fails", given: { body: ROOT }, status: 503, upstreamStatus: 500 },
  { name: "an upstream at its limit", given: { body: { ...ROOT, ...STREAM } }, status: 429, upstreamStatus: 429 },
])(
  "$name is not kept: the next one with the same key is judged anew",
  async ({ given, status, credit = USD, upstreamStatus = 200 }) => {
    const tenant = await newTenant(credit);
    upstream.status = upstreamStatus;
    const failed = await chat(tenant, { key: "one", ...given });
    expect(failed.status).toBe(status);
    if (credit === 0n) await tenant.gate.credit({ idempotencyKey: "late", amountNusd: USD, reason: "test" });
    upstream.status = 200;
    const again = await chat(tenant, { key: "one", ...given });
    expect(again.headers["idempotent-replayed"]).toBeUndefined();
    // A region that said 429 is closed for a moment; a body that is wrong stays wrong.
    if (upstreamStatus !== 429) expect(again.status).toBe(status === 400 ? 400 : 200);
    expect((await ask("GET", "/key", tenant.key)).status).toBe(200);
  },
);

test("an unknown or disabled key is refused before anything is kept or shown", async () => {
  const tenant = await newTenant(USD);
  expect((await chat(tenant, { key: "one" })).status).toBe(200);
  await tenant.gate.updateKey(tenant.keyHash, { disabled: true });
  const refused = await chat(tenant, { key: "one" });
  expect(refused.status).toBe(401);
  expect(refused.text).not.toContain(SECRET_WORD);
});

test.each([
  { name: "a request with zdr", body: { provider: { zdr: true } }, setting: undefined },
  { name: "a stream with zdr", body: { provider: { zdr: true }, stream: true }, setting: undefined },
  { name: "an account of zero retention", body: {}, setting: "tenant" },
  { name: "a stream of an account that its operator set so", body: STREAM, setting: "operator" },
])(
  "$name: the answer is given, not kept, and a repeat gets 409 instead of a second charge",
  async ({ body, setting }) => {
    const tenant = await newTenant(USD);
    const change = { zero_retention: true };
    if (setting === "tenant") {
      const set = await ask("PATCH", "/workspaces/default/limits", tenant.managementKey, change);
      expect(set).toMatchObject({ status: 200, body: { data: change } });
    }
    if (setting === "operator") await ask("PATCH", `/admin/accounts/${tenant.id}`, env.OPERATOR_KEY, change);
    const first = await chat(tenant, { key: "one", body });
    expect(first.text).toContain(SECRET_WORD);
    const again = await chat(tenant, { key: "one", body });
    expect(again.status).toBe(409);
    expect(JSON.parse(again.text)).toMatchObject({
      error: {
        message: expect.stringContaining("not kept"),
        metadata: { error_type: "conflict", generation_id: first.headers["x-generation-id"] },
      },
    });
    expect((await chat(tenant, { key: "one", body: { ...body, top_p: 0.5 } })).status).toBe(422);
    expect(calls).toBe(1);
    expect(await piecesOf(tenant)).toEqual([]);
  },
);

/** Everything that the gate's storage holds of kept answers. */
async function piecesOf(tenant: Tenant): Promise<readonly string[]> {
  return await runInDurableObject(tenant.gate, (_gate: AccountGate, state) =>
    state.storage.sql
      .exec("SELECT bytes FROM reply_pieces")
      .toArray()
      .map(({ bytes }) => (bytes instanceof ArrayBuffer ? new TextDecoder("latin1").decode(bytes) : String(bytes))),
  );
}

test("what is kept can't be read in the storage, nor can the key", async () => {
  const tenant = await newTenant(USD);
  await chat(tenant, { key: "a-telling-key" });
  await chat(tenant, { key: "a-telling-key" });
  const pieces = await piecesOf(tenant);
  expect(pieces).toHaveLength(1);
  const rows = await runInDurableObject(tenant.gate, (_gate: AccountGate, state) =>
    JSON.stringify(state.storage.sql.exec("SELECT * FROM replies").toArray()),
  );
  for (const secret of [SECRET_WORD, "a-telling-key", "forest", "assistant"])
    expect(`${pieces.join()} ${rows}`).not.toContain(secret);
});

test("an answer of several pieces comes back whole", async () => {
  const tenant = await newTenant(USD);
  const word = Array.from({ length: 40_000 }, (_, at) => `würfel-${at} `).join("");
  upstream.words = [word, word, word, word, word];
  const first = await chat(tenant, { key: "long", body: STREAM });
  expect(first.text.length).toBeGreaterThan(2 * 1024 * 1024);
  const again = await chat(tenant, { key: "long", body: STREAM });
  expect(again.headers["idempotent-replayed"]).toBe("true");
  expect(again.text === first.text).toBe(true);
  expect((await piecesOf(tenant)).length).toBeGreaterThan(2);
  // One that is larger than what is kept of one answer.
  upstream.words = Array.from({ length: 12 }, () => word);
  expect((await chat(tenant, { key: "longer", body: STREAM })).status).toBe(200);
  const gone = await chat(tenant, { key: "longer", body: STREAM });
  expect(gone.status).toBe(409);
  expect(gone.text).toContain("too large");
});

test("a stream that breaks after its first words was charged: the repeat gets the same break", async () => {
  const tenant = await newTenant(USD);
  upstream.words = ["Hello ", "CUT"];
  const first = await chat(tenant, { key: "one", body: STREAM });
  expect(first.text).toContain("Hello");
  expect(first.text).toContain('"error"');
  expect(await charged(tenant)).toBeGreaterThan(0n);
  expect(await chat(tenant, { key: "one", body: STREAM })).toMatchObject({ status: 200, text: first.text });
  expect(calls).toBe(1);
});

test("a request that was charged and lost its answer in a crash is never charged again", async () => {
  const tenant = await newTenant(USD);
  await chat(tenant, { key: "one" });
  const once = await charged(tenant);
  // As if the isolate had died between the settlement and the storing, and a minute had passed.
  await runInDurableObject(tenant.gate, (_gate: AccountGate, state) => {
    state.storage.sql.exec("DELETE FROM reply_pieces");
    state.storage.sql.exec(`UPDATE replies SET size_bytes = 0,
      value = json_set(value, '$.state', 'running', '$.isCharged', json('true'), '$.leaseUntilMs', 1)`);
  });
  await evictDurableObject(tenant.gate);
  const again = await chat(tenant, { key: "one" });
  expect(again.status).toBe(409);
  expect(again.text).toContain("lost before it could be kept");
  expect(await charged(tenant)).toBe(once);
});

test("the settlement of a request that still runs is noted on its reply", async () => {
  const tenant = await newTenant(USD);
  upstream.words = ["Hello ", "WAIT"];
  const response = await send(tenant, { key: "one", body: STREAM });
  const noted = async () =>
    await runInDurableObject(tenant.gate, async (gate: AccountGate, state) => {
      const [row] = state.storage.sql.exec("SELECT value FROM replies").toArray();
      const reply = JSON.parse(String(row?.["value"])) as { generationId: never; isCharged: boolean }; // our own row
      const record = { provider: null, createdAtMs: Date.now(), usage: NO_USAGE, attempts: [] } as never; // what a row of the outbox needs
      const { generationId, isCharged } = reply;
      const settlement = {
        generationId,
        keyHash: tenant.keyHash,
        costNusd: 5n,
        upstreamCostNusd: 0n,
        refundsFreeTier: false,
        record,
      };
      await gate.settle([settlement]);
      return isCharged;
    });
  expect(await noted()).toBe(false);
  expect(await noted()).toBe(true);
  await response.text();
});

test("a request whose isolate died before any charge is served anew once its claim has ended; until then a repeat hears 409", async () => {
  const tenant = await newTenant(USD);
  upstream.words = ["WAIT"];
  const abandoned = send(tenant, { key: "one", body: STREAM });
  void abandoned.catch(() => undefined);
  await vi.waitFor(() => expect(calls).toBe(1));
  await runInDurableObject(tenant.gate, (_gate: AccountGate, state) => {
    state.storage.sql.exec("UPDATE replies SET value = json_set(value, '$.leaseUntilMs', 1, '$.owner', 'req-dead')");
  });
  upstream.words = ["Hello ", SECRET_WORD];
  const again = await chat(tenant, { key: "one", body: STREAM });
  expect(again).toMatchObject({ status: 200, text: expect.stringContaining(SECRET_WORD) });
  await (await abandoned).text();
  // The one that came back from the dead has not overwritten it.
  expect((await chat(tenant, { key: "one", body: STREAM })).text).toBe(again.text);
});

test("an answer is forgotten after 24 hours, and not before", async () => {
  const tenant = await newTenant(USD);
  await chat(tenant, { key: "one" });
  await chat(tenant, { key: "one" });
  expect(calls).toBe(1);
  const shift = async (byMs: number) =>
    await runInDurableObject(tenant.gate, (_gate: AccountGate, state) => {
      state.storage.sql.exec("UPDATE replies SET created_at_ms = ?", Date.now() - byMs);
    });
  await shift(24 * 3_600_000 - 60_000);
  expect((await chat(tenant, { key: "one" })).headers["idempotent-replayed"]).toBe("true");
  await shift(24 * 3_600_000);
  expect((await chat(tenant, { key: "one" })).headers["idempotent-replayed"]).toBeUndefined();
  expect(calls).toBe(2);
});
