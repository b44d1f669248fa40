/** `npm start` as an operator meets it: serving, stopping, surviving, refusing. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort, refused, serve, type Server } from "./serve.ts";

let dir = "";
let server: Server;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "waypost-start-"));
  server = await serve({ dataDir: path.join(dir, "data") });
});
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("the printed curl works as it is", () => {
  const command = /curl -N[\s\S]*?'\n\n/.exec(server.output())?.[0];
  expect(command).toBeDefined();
  const answer = execFileSync("sh", ["-c", `${command?.trim()} -sS --max-time 20`], { encoding: "utf8" });
  expect(spoken(answer)).toContain("Waypost's demo upstream");
  expect(answer.trimEnd()).toMatch(/data: \[DONE\]$/);
});

test("it says that the demo upstream stands in when no provider has a credential", () => {
  expect(server.output()).toMatch(/Upstreams: +demo: no provider credential is set/);
});

test("what it keeps secret is readable by its owner only", () => {
  for (const name of ["operator-key", "waypost-secret", "launcher.json", "run/running.json"]) {
    expect(statSync(path.join(server.dataDir, name)).mode & 0o077, name).toBe(0);
  }
});

/** A short chat; `headers` beside the usual ones. */
function chat({ apiBase, key }: Server, headers: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(`${apiBase}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "openai/gpt-oss-120b", messages: [{ role: "user", content: "Hello" }] }),
  });
}

/** The colo that the server takes the client to be at. */
async function placeSeen(where: Server): Promise<unknown> {
  const forged = '{"latitude":"37.5","longitude":"127","colo":"ICN","country":"KR","continent":"AS"}';
  const answer = await chat(where, {
    "X-OpenRouter-Metadata": "enabled",
    "MF-CF-Blob": forged,
    "X-Waypost-Place": forged,
  });
  const body = (await answer.json()) as { openrouter_metadata: { region: string | null } };
  return body.openrouter_metadata.region;
}

test("a client's word about its place is ignored", async () => {
  expect(await placeSeen(server)).toBeNull();
});

test("TRUST_PLACE_HEADER=1 takes the place that a proxy states, and none from what makes no sense", async () => {
  const trusting = await serve({ env: { TRUST_PLACE_HEADER: "1" } });
  expect(await placeSeen(trusting)).toBe("ICN");
  for (const malformed of ["", "x", "{", "[]", "null", "7", '"ICN"', '{"latitude":91,"longitude":[],"colo":{}}']) {
    const answer = await chat(trusting, { "X-OpenRouter-Metadata": "enabled", "X-Waypost-Place": malformed });
    const body = (await answer.json()) as { openrouter_metadata: { region: string | null } };
    expect({ malformed, status: answer.status, region: body.openrouter_metadata.region }).toEqual({
      malformed,
      status: 200,
      region: null,
    });
  }
  await trusting.stop();
});

test("a second start over the same folder is refused and names the first", async () => {
  const { code, stderr } = await refused({ DATA_DIR: server.dataDir, PORT: String(await freePort()) });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/in use by the Waypost with process id \d+/),
  });
});

test("the key and the state survive kill -9 of everything", async () => {
  const { key, operatorKey } = server;
  await server.kill();
  server = await server.restart();
  expect({ key: server.key, operatorKey: server.operatorKey }).toEqual({ key, operatorKey });
  expect((await chat(server, {})).status).toBe(200);
});

test("a catalog that the operator published outlives a restart", async () => {
  const admin = { authorization: `Bearer ${server.operatorKey}`, "content-type": "application/json" };
  const live = async (): Promise<{ version: string; catalog: { models: unknown[] } }> => {
    const answer = await fetch(`${server.apiBase}/admin/catalog`, { headers: admin });
    return ((await answer.json()) as { data: { version: string; catalog: { models: unknown[] } } }).data;
  };
  const standard = await live();
  const own = { ...standard.catalog, models: standard.catalog.models.slice(1) };
  const put = await fetch(`${server.apiBase}/admin/catalog`, {
    method: "PUT",
    headers: admin,
    body: JSON.stringify(own),
  });
  expect(put.status).toBe(200);
  await server.kill();
  server = await server.restart();
  expect((await live()).catalog.models).toHaveLength(own.models.length);
  expect(server.output()).toContain("the one you published");
  // And back, for the tests that follow.
  await fetch(`${server.apiBase}/admin/catalog`, {
    method: "PUT",
    headers: admin,
    body: JSON.stringify(standard.catalog),
  });
});

test("kill -9 of the launcher alone leaves no workerd on the port", async () => {
  const workerd = Number(readFileSync(path.join(server.dataDir, "run/workerd.pid"), "utf8"));
  process.kill(server.pid, "SIGKILL");
  await expect.poll(() => isAlive(workerd), { timeout: 10_000 }).toBe(false);
  server = await server.restart();
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

test("Ctrl-C ends it with code 0 and leaves no process", async () => {
  const workerd = Number(readFileSync(path.join(server.dataDir, "run/workerd.pid"), "utf8"));
  expect(await server.stop()).toBe(0);
  expect([isAlive(server.pid), isAlive(workerd)]).toEqual([false, false]);
  server = await server.restart();
});

test("Ctrl-C on npm start leaves no process either", async () => {
  const throughNpm = await serve({ script: "npm start", dataDir: path.join(dir, "npm") });
  const workerd = Number(readFileSync(path.join(throughNpm.dataDir, "run/workerd.pid"), "utf8"));
  const launcher = Number(readFileSync(path.join(throughNpm.dataDir, "run/launcher.pid"), "utf8"));
  await throughNpm.stop();
  await expect.poll(() => [isAlive(launcher), isAlive(workerd)], { timeout: 10_000 }).toEqual([false, false]);
});

test.each([
  { name: "PORT is no number", env: { PORT: "abc" }, says: 'PORT must be a whole number from 0 to 65535, not "abc".' },
  {
    name: "PORT is too large",
    env: { PORT: "65536" },
    says: 'PORT must be a whole number from 0 to 65535, not "65536".',
  },
  {
    name: "HOST is no address",
    env: { HOST: "not a host" },
    says: 'HOST must be an IP address or a host name, not "not a host".',
  },
  { name: "HOST is elsewhere", env: { HOST: "192.0.2.1", PORT: "0" }, says: "set HOST to an address of this machine." },
  {
    name: "OPERATOR_KEY is short",
    env: { OPERATOR_KEY: "short" },
    says: "OPERATOR_KEY must have at least 16 characters, it has 5.",
  },
  {
    name: "WAYPOST_SECRET has a space",
    env: { WAYPOST_SECRET: "a secret with spaces" },
    says: "WAYPOST_SECRET must be printable ASCII without spaces.",
  },
  {
    name: "TRUST_PLACE_HEADER is a word",
    env: { TRUST_PLACE_HEADER: "yes" },
    says: 'TRUST_PLACE_HEADER must be 1 or 0, not "yes".',
  },
  {
    name: "a base URL is no URL",
    env: { OPENAI_BASE_URL: "localhost:1", PORT: "0" },
    says: "OPENAI_BASE_URL must be an http or https URL.",
  },
  {
    name: "a base URL carries a password",
    env: { OPENAI_BASE_URL: "http://u:hidden@h/v1", PORT: "0" },
    says: "OPENAI_BASE_URL must not carry a user name or password.",
  },
])("one sentence and code 1 when $name", async ({ env, says }) => {
  const { code, stdout, stderr } = await refused({ DATA_DIR: path.join(dir, "refused"), ...env });
  expect({ code, stdout, lines: stderr.trimEnd().split("\n").length }).toEqual({ code: 1, stdout: "", lines: 1 });
  expect(stderr).toContain(says);
  expect(stderr).not.toContain("hidden");
});

test("one sentence and code 1 when the port is in use", async () => {
  const taken = await listen();
  const { code, stderr } = await refused({ DATA_DIR: path.join(dir, "refused"), PORT: String(taken.port) });
  taken.server.close();
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `Port ${taken.port} on 127.0.0.1 is in use; set PORT to another one (0 takes any free one).\n`,
  });
});

test.runIf(process.platform === "linux")(
  "a data folder that no file system can make is refused, not waited for",
  async () => {
    expect(await refused({ DATA_DIR: "/proc/nope/below" })).toMatchObject({
      code: 1,
      stderr: "The data folder /proc/nope/below cannot be written (ENOENT); set DATA_DIR to another one.\n",
    });
  },
);

test("one sentence and code 1 when the data folder cannot be written", async () => {
  const file = path.join(dir, "a-file");
  writeFileSync(file, "");
  const { code, stderr } = await refused({ DATA_DIR: path.join(file, "data") });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^The data folder .* cannot be written \(\w+\); set DATA_DIR to another one\.\n$/),
  });
});

/** The text that a stream of chat completion chunks says. */
function spoken(stream: string): string {
  return [...stream.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text).join("");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function listen(): Promise<{ server: NetServer; port: number }> {
  return new Promise((resolve) => {
    const taken = createServer();
    taken.listen(0, "127.0.0.1", () => {
      const address = taken.address();
      resolve({ server: taken, port: typeof address === "object" && address !== null ? address.port : 0 });
    });
  });
}
