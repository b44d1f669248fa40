/**
 * Secrets are planted where the product must hold them and where upstreams can echo them; afterwards every answer, every
 * header, what the launcher printed, and every byte of the data folder (log, books, gates, catalog) is searched for them
 * in plain, JSON, URL and base64 spelling.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  call,
  chargeOf,
  CREDENTIALS,
  newAccount,
  startFaultWorld,
  type EndpointWish,
  type FaultWorld,
  type TestAccount,
} from "./fault-world.ts";

/** Put in by the operator through the API; must lie in the books sealed. */
const STORED_CREDENTIAL = "operator-given-credential-5k4j3h2g1f";
/** A tenant's own; must lie in its gate sealed. */
const OWN_CREDENTIAL = "tenant-given-credential-7u6y5t4r3e";
const PROMPT_CANARY = "canary prompt: the purple heron knows";
const ANSWER_CANARY = "one two three four five";

const STATUSES = ["400", "401", "402", "403", "404", "422", "429", "500", "503"];
const MODES = [...STATUSES, "headers", "inside", "after", "malformed"].map((how) => `echo-${how}`);
// A credential's failures take the whole provider out: each of those gets one to itself.
const PROVIDER_OF: Readonly<Record<string, string>> = {
  "echo-401": "denied",
  "echo-402": "stall1",
  "echo-403": "stall2",
};
const models = new Map<string, readonly EndpointWish[]>([
  ...MODES.flatMap((mode): [string, readonly EndpointWish[]][] => {
    const first = { provider: PROVIDER_OF[mode] ?? "near", mode };
    return [
      [`test/${mode}`, [first]],
      [`test/${mode}-both`, [first, { provider: "far", mode: "echo-500" }]],
    ];
  }),
  ["test/ok", [{ provider: "near", mode: "ok" }]],
  ["test/stored", [{ provider: "stall3", mode: "echo-500" }]],
]);

let world: FaultWorld;
let account: TestAccount;
/** All that was ever answered, headers included. */
const answers: string[] = [];

beforeAll(async () => {
  world = await startFaultWorld(models);
  account = await newAccount(world);
});
afterAll(async () => {
  await world.stop();
});

async function keep(response: Response): Promise<number> {
  answers.push(`${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`);
  return response.status;
}

test.each(MODES.flatMap((mode) => [true, false].map((isStreamed) => ({ mode, isStreamed }))))(
  "an upstream that repeats its credential ($mode, stream: $isStreamed) is not repeated",
  async ({ mode, isStreamed }) => {
    for (const model of [`test/${mode}`, `test/${mode}-both`]) {
      const metadata = { "x-openrouter-metadata": "enabled" };
      const body = { model, stream: isStreamed, user: "u-1", messages: [{ role: "user", content: PROMPT_CANARY }] };
      await keep(await ask(world, account, body, undefined, metadata));
    }
    // The upstream did get it: the case is not empty.
    const echoed = world.near.callsOf(mode).at(-1);
    expect(echoed?.authorization).toBe(`Bearer ${CREDENTIALS.near}`);
    expect(found(answers.join("\n"), planted())).toEqual([]);
  },
);

test("a credential that the operator gave is sealed, and used", async () => {
  const { server } = world;
  const changed = await call(server, "PATCH", "/admin/providers/stall3", server.operatorKey, {
    credential: STORED_CREDENTIAL,
  });
  expect(changed.status).toBe(200);
  answers.push(JSON.stringify(changed.body));
  await expect
    .poll(
      async () => {
        await keep(await ask(world, account, { model: "test/stored" }));
        return world.near.callsOf("echo-500").some((one) => one.authorization === `Bearer ${STORED_CREDENTIAL}`);
      },
      { timeout: 20_000, interval: 500 },
    )
    .toBe(true);
});

test("a credential of the tenant's own is sealed, used, and told to nobody, though upstreams repeat it", async () => {
  const { server } = world;
  const tenant = await newAccount(world);
  for (const provider of ["near", "denied", "stall1", "stall2"]) {
    const body = { provider, key: OWN_CREDENTIAL, always_use: true };
    const made = await call(server, "POST", "/byok", tenant.managementKey, body);
    expect(made.status).toBe(201);
    answers.push(JSON.stringify(made.body));
  }
  const metadata = { "x-openrouter-metadata": "enabled" };
  for (const mode of MODES) {
    for (const stream of [true, false]) {
      await keep(await ask(world, tenant, { model: `test/${mode}`, stream }, undefined, metadata));
    }
    expect(world.near.callsOf(mode).at(-1)?.authorization).toBe(`Bearer ${OWN_CREDENTIAL}`);
  }
  await keep(await ask(world, tenant, { model: "test/ok" }, undefined, metadata));
  const bad = { provider: "near", key: `${OWN_CREDENTIAL}\n` };
  for (const body of [bad, { ...bad, key: OWN_CREDENTIAL, provider: OWN_CREDENTIAL }]) {
    answers.push(JSON.stringify(await call(server, "POST", "/byok", tenant.managementKey, body)));
  }
  await chargeOf(world, tenant);
  const list = await call(server, "GET", "/byok", tenant.managementKey);
  // It is the upstreams' refusals that are shown there.
  expect(JSON.stringify(list.body)).toContain('"status":401');
  answers.push(JSON.stringify(list));
  expect(found(answers.join("\n"), planted())).toEqual([]);
});

test("no answer of the API tells one", async () => {
  const { server } = world;
  await keep(await ask(world, account, { model: "test/ok", messages: [{ role: "user", content: PROMPT_CANARY }] }));
  const ids = [...answers.join("\n").matchAll(/gen-\d+-\w{20}/g)].map(([id]) => id);
  expect(ids.length).toBeGreaterThan(MODES.length);
  await chargeOf(world, account);
  const paths = [
    "/admin/providers",
    "/admin/catalog",
    "/admin/accounts",
    `/admin/accounts/${account.id}`,
    "/admin/audit",
  ];
  for (const path of paths) answers.push(JSON.stringify(await call(server, "GET", path, server.operatorKey)));
  for (const path of ["/key", "/models", "/providers", ...new Set(ids.map((id) => `/generation?id=${id}`))]) {
    answers.push(JSON.stringify(await call(server, "GET", path, account.key)));
  }
  // Keys that nearly fit, and one in the wrong place.
  for (const key of [`${account.key}x`, `${server.operatorKey}x`])
    answers.push(JSON.stringify(await call(server, "GET", "/key", key)));
  await keep(await ask(world, account, { model: account.key }));
  expect(
    found(
      answers.join("\n"),
      [...planted(), server.operatorKey].filter((secret) => secret !== account.key),
    ),
  ).toEqual([]);
});

test("nothing that is kept or printed holds one, nor a prompt or an answer", async () => {
  const { server } = world;
  await expect
    .poll(async () => (await call(server, "GET", "/admin/audit", server.operatorKey)).body, { timeout: 15_000 })
    .toMatchObject({ ok: true, outbox: 0 });
  const secret = readFileSync(path.join(server.dataDir, "waypost-secret"), "utf8").trim();
  const kept = filesIn(server.dataDir).filter((file) => !/(operator-key|waypost-secret)$/.test(file));
  expect(kept.some((file) => file.endsWith("events.log"))).toBe(true);
  expect(kept.some((file) => file.endsWith(".sqlite"))).toBe(true);
  const hits = kept.flatMap((file) =>
    found(readFileSync(file, "latin1"), [...planted(), secret, PROMPT_CANARY, ANSWER_CANARY]).map(
      (hit) => `${file}: ${hit}`,
    ),
  );
  expect(hits).toEqual([]);
  expect(found(server.output(), [...planted(), secret])).toEqual([]);
  // What is searched is what is there: the generations' own rows are found in it.
  expect(kept.some((file) => readFileSync(file, "latin1").includes("test/echo-500"))).toBe(true);
});

function planted(): readonly string[] {
  return [CREDENTIALS.near, CREDENTIALS.far, STORED_CREDENTIAL, OWN_CREDENTIAL, account.key];
}

/** Those of `secrets` that `text` holds in any spelling. */
function found(text: string, secrets: readonly string[]): readonly string[] {
  return secrets.filter((secret) => {
    const base64 = Buffer.from(secret).toString("base64").replace(/=+$/, "");
    return [secret, base64, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)].some((one) =>
      text.includes(one),
    );
  });
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
