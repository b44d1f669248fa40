/**
 * A stop that reaches the launcher and workerd at once, as a terminal, `timeout` and process managers send it: the
 * launcher ends with code 0 and without a word, answers in flight are finished, and every one of them is in the books.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { createLoad } from "./crash-load.ts";
import { serve, type Server } from "./serve.ts";
import { CATALOG, costOf, startSlowUpstream, type SlowUpstream } from "./slow-upstream.ts";
import { makeTenant } from "./tenant.ts";

let dir = "";
let upstream: SlowUpstream;
let server: Server;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "waypost-stop-"));
  upstream = await startSlowUpstream();
  server = await serve({ dataDir: dir, env: upstream.env });
  const published = await fetch(`${server.apiBase}/admin/catalog`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${server.operatorKey}`, "Content-Type": "application/json" },
    body: JSON.stringify(CATALOG),
  });
  expect(published.status).toBe(200);
});
afterAll(async () => {
  await server.stop();
  await upstream.stop();
  rmSync(dir, { recursive: true, force: true });
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s to the whole group loses no answer", async (signal) => {
  const tenant = await makeTenant(server, "5");
  const load = createLoad(() => server);
  const streams = [await load.open(tenant, 20, 50), await load.open(tenant, 10, 50)];
  const lanes = load.lanes(tenant, 4);
  const stopping = server.stop(signal);
  const ends = await Promise.all(streams.map(({ end }) => end));
  const code = await stopping;
  await lanes.stop();
  const said = server.output().split("Try it:")[1] ?? "";
  expect({ ends, code, said }).toEqual({ ends: [true, true], code: 0, said: expect.not.stringMatching(/error|at /i) });

  server = await server.restart();
  expect(await audit()).toMatchObject({ ok: true, open_holds: 0 });
  for (const { id, wish } of load.answers) {
    expect(await costInTheBooks(id, tenant.key), id).toBeCloseTo(costOf(wish) / 1e9, 9);
  }
});

async function audit(): Promise<unknown> {
  const answer = await fetch(`${server.apiBase}/admin/audit`, {
    headers: { Authorization: `Bearer ${server.operatorKey}` },
  });
  return answer.json();
}

/** Dollars that a generation cost; fails when it is unknown. */
async function costInTheBooks(id: string, key: string): Promise<number> {
  const answer = await fetch(`${server.apiBase}/generation?id=${id}`, { headers: { Authorization: `Bearer ${key}` } });
  return z.looseObject({ data: z.looseObject({ total_cost: z.number() }) }).parse(await answer.json()).data.total_cost;
}
