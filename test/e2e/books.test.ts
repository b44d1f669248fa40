/** The books of a real server: several databases, as `SHARDS` starts them, and the jobs that look after them. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { serve, type Server } from "./serve.ts";
import { makeTenant } from "./tenant.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const Page = z.looseObject({ outbox: z.number(), cursor: z.string().nullable() });
/** Jobs run as often as they can. */
const ENV = { SHARDS: "gl2 eu2", WAYPOST_SCHEDULE_S: "1", WAYPOST_RECONCILE_EVERY_S: "1" };
const Reports = z.looseObject({
  data: z.array(z.looseObject({ finished_at: z.string().nullable(), gates: z.int(), faults: z.int() })),
});
let server: Server;

beforeAll(async () => {
  server = await serve({ env: ENV });
});
afterAll(() => server?.stop());

async function get(at: string, key: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${server.apiBase}${at}`, { headers: { authorization: `Bearer ${key}` } });
  return { status: answer.status, body: await answer.json() };
}

/** An answer's generation id. */
async function chat(key: string): Promise<string> {
  const answer = await fetch(`${server.apiBase}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "openai/gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] }),
  });
  expect(answer.status).toBe(200);
  await answer.text();
  return answer.headers.get("x-generation-id") ?? "";
}

/** Waits until all that was settled is in the databases. */
async function settled(account: string): Promise<void> {
  const outbox = async (): Promise<number> => {
    let sum = 0;
    let cursor: string | null = "";
    while (cursor !== null) {
      const { body } = await get(`/admin/audit?cursor=${encodeURIComponent(cursor)}`, server.operatorKey);
      const page = Page.parse(body);
      sum += page.outbox;
      cursor = page.cursor;
    }
    return sum;
  };
  await expect.poll(outbox, { timeout: 10_000, message: `the outbox of ${account}` }).toBe(0);
}

/** What `npm run audit` prints about it. */
function audit(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["src/cli/audit.ts"], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, WAYPOST_DEV_VARS: "/dev/null", DATA_DIR: server.dataDir, OPERATOR_KEY: server.operatorKey },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

test("new accounts go to the newest database, are served from it, and outlive a restart", async () => {
  const tenant = await makeTenant(server, "5");
  expect(tenant.account).toMatch(/^gl2/);
  const id = await chat(tenant.key);
  expect(await get(`/generation?id=${id}`, tenant.key)).toMatchObject({ status: 200, body: { data: { id } } });
  await server.kill();
  server = await server.restart();
  expect(await get(`/generation?id=${id}`, tenant.key)).toMatchObject({ status: 200, body: { data: { id } } });
});

test("npm run audit goes through every database and adds them up", () => {
  const printed = audit();
  expect(printed).toContain("The books are right.");
  // The first account of `npm start`, and the tenant above.
  expect(printed).toMatch(/^ {2}accounts: 2$/m);
  expect(printed).toMatch(/^ {2}balances, tenants: \d+(\.\d+)?$/m);
  expect(printed).toMatch(/^ {2}balances, fee: 0$/m);
});

test("npm start runs the scheduled jobs: gates and books are compared without anybody asking", async () => {
  const compared = async () => {
    const { body } = await get("/admin/reconciliation", server.operatorKey);
    return Reports.parse(body).data.filter(({ finished_at: at, gates }) => at !== null && gates === 2);
  };
  await expect.poll(async () => (await compared()).length, { timeout: 15_000 }).toBeGreaterThan(1);
  expect((await compared()).map(({ faults }) => faults)).not.toContain(1);
});

test("a database that is not there any more is missed by its accounts and by nobody else", async () => {
  const before = server;
  const tenant = await makeTenant(before, "5");
  const id = await chat(tenant.key);
  const owned = `/admin/accounts/${tenant.account}`;
  // At the gate first: an empty outbox may be one that has not heard of it yet.
  expect((await get(`/generation?id=${id}`, tenant.key)).status).toBe(200);
  await settled(tenant.account);
  await before.kill();
  server = await serve({ dataDir: before.dataDir, port: before.port });
  expect((await get(owned, server.operatorKey)).status).toBe(503);
  expect((await get(`/generation?id=${id}`, tenant.key)).status).toBe(503);
  const other = await makeTenant(server, "5");
  expect(other.account).toMatch(/^gl1/);
  expect((await get("/credits", other.key)).status).toBe(200);
  await server.kill();
  server = await serve({ dataDir: before.dataDir, port: before.port, env: ENV });
  expect((await get(owned, server.operatorKey)).status).toBe(200);
  expect((await get(`/generation?id=${id}`, tenant.key)).status).toBe(200);
});
