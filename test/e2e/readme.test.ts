/**
 * The README as a newcomer follows it: each of its code blocks and npm commands is run as printed. Only two things are
 * put in: the port, because 8787 may be taken here, and the keys, where the README shows `...`.
 * A block or a command that is new in the README fails the first two tests until it has a proof.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runInNewContext } from "node:vm";
import type Anthropic from "@anthropic-ai/sdk";
import type { GoogleGenAI } from "@google/genai";
import type { ChatOpenAI } from "@langchain/openai";
import type { ChatOpenRouter } from "@langchain/openrouter";
import type { OpenRouter } from "@openrouter/sdk";
import { generateText, type LanguageModel } from "ai";
import type OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { EndpointSchema } from "../../src/catalog/schema.ts";
import { modelsDevList } from "../unit/catalog/import/lists.ts";
import { serve, type Server } from "./serve.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const README = readFileSync(path.join(ROOT, "README.md"), "utf8");
const DEMO = "This is Waypost's demo upstream.";

interface Block {
  readonly language: string;
  readonly text: string;
}
const BLOCKS: readonly Block[] = [...README.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, language = "", text = ""]) => ({ language, text }),
);
/** Every npm and npx command of the README, in a block or in the prose. */
const COMMANDS = new Set(
  [...README.matchAll(/(?:^|`|=\S+ )(np[mx] [^`\n]+)/gm)].map(([, command = ""]) => command.trim()),
);

/** The table of clients: what each line says it is made with. */
const CLIENTS = [...README.matchAll(/^\| `([@\w/-]+)` \| `((?:new )?\w+\(\{.*\}\))` \|$/gm)].map(
  ([, name = "", made = ""]) => ({ package: name, made }),
);
const HELLO = [{ role: "user" as const, content: "Say hello." }];
const MODEL = "openai/gpt-4o-mini";
const byAiSdk = async (provider: (model: string) => LanguageModel): Promise<string> =>
  (await generateText({ model: provider(MODEL), prompt: "Say hello." })).text;
const byLangChain = async (chat: ChatOpenAI | ChatOpenRouter): Promise<string> =>
  (await chat.invoke("Say hello.")).text;
/** The first request to each client of the table. */
const ASKED: Readonly<Record<string, (client: never) => Promise<string | null | undefined>>> = {
  openai: async ({ chat }: OpenAI) =>
    (await chat.completions.create({ model: MODEL, messages: HELLO })).choices[0]?.message.content,
  "@anthropic-ai/sdk": async ({ messages }: Anthropic) =>
    JSON.stringify((await messages.create({ model: MODEL, max_tokens: 500, messages: HELLO })).content),
  "@google/genai": async ({ models }: GoogleGenAI) =>
    (await models.generateContent({ model: MODEL, contents: "Say hello." })).text,
  "@openrouter/sdk": async ({ chat }: OpenRouter) =>
    JSON.stringify(await chat.send({ chatRequest: { model: MODEL, messages: HELLO, stream: false } })),
  "@langchain/openai": byLangChain,
  "@langchain/openrouter": byLangChain,
  "@ai-sdk/openai": byAiSdk,
  "@ai-sdk/anthropic": byAiSdk,
  "@openrouter/ai-sdk-provider": byAiSdk,
};

let server: Server;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  server = await serve({ script: "npm start" });
  env = {
    ...process.env,
    WAYPOST_DEV_VARS: "/dev/null",
    DATA_DIR: server.dataDir,
    PORT: String(server.port),
    WAYPOST_KEY: server.key,
    OPERATOR_KEY: server.operatorKey,
  };
});
afterAll(() => server?.stop());

/** The only block of a language that has all of `words`. */
function block(language: string, ...words: readonly string[]): string {
  const found = BLOCKS.filter((one) => one.language === language && words.every((word) => one.text.includes(word)));
  const [one] = found;
  if (one === undefined || found.length > 1)
    throw new Error(`${found.length} blocks of ${language} have ${words.join(", ")}`);
  return one.text
    .replaceAll("http://127.0.0.1:8787", server.url)
    .replaceAll(/WAYPOST_KEY=sk-wp-\.\.\.$/gm, `WAYPOST_KEY=${server.key}`)
    .replaceAll(/OPERATOR_KEY=\.\.\.$/gm, `OPERATOR_KEY=${server.operatorKey}`);
}

/** Runs a command as a newcomer's shell does. @returns what it printed. */
function shell(command: string, more: Readonly<Record<string, string | undefined>> = {}): string {
  const { status, stdout, stderr } = spawnSync("sh", ["-ec", command], {
    encoding: "utf8",
    // `catalog -- show` prints all of it.
    maxBuffer: 64 * 1024 * 1024,
    cwd: ROOT,
    env: { ...env, ...more },
  });
  if (status !== 0) throw new Error(`${command} ended with ${String(status)}:\n${stdout}${stderr}`);
  return stdout;
}

test("every block is known here", () => {
  expect(BLOCKS.map(({ language, text }) => `${language}: ${text.split("\n")[0] ?? ""}`)).toEqual([
    "sh: npm start",
    "sh: npm test",
    "sh: export WAYPOST_KEY=sk-wp-...",
    "python: import os",
    "python: import json, os, urllib.request",
    'ts: import OpenAI from "openai";',
    "sh: export OPERATOR_KEY=...",
    // The checkout: payments.test.ts.
    "sh: export MANAGEMENT_KEY=sk-wp-...",
    "sh: export MANAGEMENT_KEY=sk-wp-...",
    "sh: npm run catalog -- import https://models.dev/api.json",
    // What the platform gives then: ai-binding.test.ts, in workerd.
    "toml: [ai]",
    "json: {",
    "sh: npm run deploy",
    // The map of the house.
    ": src/",
  ]);
});

test("every client is known here", () => {
  expect(CLIENTS.map((client) => client.package)).toEqual(Object.keys(ASKED));
});

test("every npm command is known here, and its script exists", () => {
  const known = [
    // Serves in these tests.
    "npm start",
    // What runs these tests.
    "npm test",
    "npm run audit",
    "npm run catalog -- validate|publish|show",
    "npm run catalog -- rollback <version>",
    // A file stands in for the address.
    "npm run catalog -- import <file or URL>",
    "npm run catalog -- import https://models.dev/api.json",
    "npm run dev",
    "npm run bench",
    "npm run bench -- --operations",
    "npm run sim",
    // Runs by itself, for as long as it is told.
    "npm run soak -- --seed 1 --minutes 10",
    // Smaller counts are steps of these tests.
    "npm run model -- --count 1000000 --seed 1",
    "npm run mutants -- --streams 1000000 --seed 7",
    // Up to where a Cloudflare account is needed: deploy.test.ts.
    "npm run deploy",
    "npm run deploy -- --dry-run",
    "npx wrangler login",
  ];
  expect([...COMMANDS].toSorted()).toEqual(known.toSorted());
  const { scripts } = z
    .looseObject({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")));
  for (const command of COMMANDS) {
    const [program, first = "", second = ""] = command.split(" ");
    if (program === "npm") expect(Object.keys(scripts)).toContain(first === "run" ? second : first);
  }
});

test("the curl streams an answer", () => {
  const answer = shell(block("sh", "curl", "chat/completions"));
  expect(spoken(answer)).toContain(DEMO);
  expect(answer.trimEnd()).toMatch(/data: \[DONE\]$/);
});

test("the Python of the standard library answers, with its cost", () => {
  const answer = execFileSync("python3", ["-c", block("python", "urllib.request")], { encoding: "utf8", env });
  expect(answer).toContain(DEMO);
  expect(Number(answer.trim().split(" ").at(-1))).toBeGreaterThan(0);
});

test("the Python of the openai package is Python, and asks for the same", () => {
  const text = block("python", "from openai import");
  execFileSync("python3", ["-c", "import ast, sys; ast.parse(sys.stdin.read())"], { input: text });
  const model = /model=("[^"]+")/.exec(text)?.[1] ?? "no model";
  const messages = /messages=(\[.*\])/.exec(text)?.[1] ?? "no messages";
  expect(block("python", "urllib.request")).toContain(`{"model": ${model}, "messages": ${messages}}`);
});

test("the TypeScript streams an answer", () => {
  const answer = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", block("ts", "OpenAI")], {
    encoding: "utf8",
    cwd: ROOT,
    env,
  });
  expect(answer).toContain(DEMO);
});

test("the endpoint that the operator adds is one", () => {
  const endpoint = EndpointSchema.safeParse(JSON.parse(block("json", "replicate")));
  expect(endpoint.error?.issues ?? []).toEqual([]);
  expect(endpoint.data?.price?.hardware_second).toBe(1_400_000_000);
});

test.each(CLIENTS)("$package is made as the table says, and answers", async ({ package: name, made }) => {
  const factory = /^(?:new )?(\w+)\(/.exec(made)?.[1] ?? "no factory";
  const module = (await import(name)) as Readonly<Record<string, unknown>>; // whatever the package exports
  const expression = made.replaceAll("http://127.0.0.1:8787", server.url);
  const around = { [factory]: module[factory], model: MODEL, apiKey: server.key };
  const client = runInNewContext(expression, around) as never; // each asker knows its own client
  expect(await ASKED[name]?.(client)).toContain(DEMO);
});

test("every route of the document is in the table", async () => {
  const answer = await fetch(`${server.apiBase}/openapi.json`);
  const { paths } = z.looseObject({ paths: z.record(z.string(), z.json()) }).parse(await answer.json());
  const named = new Set([...README.matchAll(/(?<=[ `·v1])\/[\w/{}.-]+/g)].map(([path]) => path.replace("/api/v1", "")));
  expect(Object.keys(paths).filter((path) => !named.has(path))).toEqual([]);
});

test("the operator's curl grants credits, once", () => {
  const grant = () => shell(block("sh", "$ACCOUNT/credits"), { OPERATOR_KEY: undefined });
  const balance = () => z.looseObject({ data: z.looseObject({ balance: z.string() }) }).parse(JSON.parse(grant())).data;
  const before = balance();
  expect(before.balance).toMatch(/^1(11|12)\.\d+$/);
  expect(balance()).toEqual(before);
});

test("the tenant's curl brings a credential of its own", async () => {
  const made = await fetch(`${server.apiBase}/admin/accounts`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.operatorKey}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "readme" }),
  });
  const { management_key: key } = z.looseObject({ management_key: z.string() }).parse(await made.json());
  const text = block("sh", "/byok").replace("MANAGEMENT_KEY=sk-wp-...", `MANAGEMENT_KEY=${key}`);
  expect(text).toContain(key);
  expect(shell(text)).toContain('"name":"our contract"');
});

test.each([
  { command: "npm run audit", says: "The books are right." },
  { command: "npm run catalog -- validate", says: "Valid: " },
  { command: "npm run catalog -- publish", says: "Published to " },
  { command: "npm run catalog -- show", says: '"version"' },
])("$command works", ({ command, says }) => {
  expect(shell(command)).toContain(says);
});

test("npm run catalog -- rollback goes to a version that show names", () => {
  const version = /"version": "([0-9a-f]{32})"/.exec(shell("npm run catalog -- show"))?.[1] ?? "";
  expect(shell(`npm run catalog -- rollback ${version}`)).toContain("Live again at ");
  expect(() => shell(`npm run catalog -- rollback ${"0".repeat(32)}`)).toThrow(/404.*as history/s);
  expect(() => shell("npm run catalog -- rollback")).toThrow(/Usage: .*rollback <version>/);
});

test("npm run catalog -- import shows a list, publishes it when told to, and says how to go back", () => {
  const { alder } = modelsDevList();
  const file = path.join(server.dataDir, "list.json");
  // A provider that the catalog has: only its models are new.
  writeFileSync(file, JSON.stringify({ groq: { ...alder, id: "groq" } }));
  const shown = shell(`npm run catalog -- import ${file}`);
  expect(shown).toMatch(/^models\.dev: 17 entries: 6 imported, 11 refused\.$/m);
  expect(shown).toMatch(/1 {2}has no price \(groq\/unpriced\)/);
  expect(shown).toMatch(/^\+ \d+ models: .*groq\/wood-2-mini/m);
  expect(shown).toContain("Nothing was published; --yes publishes.");
  const body = JSON.stringify({ model: "groq/wood-2-mini", messages: [{ role: "user", content: "Hello" }] });
  const ask = `curl -sS --max-time 20 ${server.apiBase}/chat/completions -H "Authorization: Bearer $WAYPOST_KEY" -H "Content-Type: application/json" -d '${body}'`;
  expect(shell(ask)).toContain("groq/wood-2-mini is not a valid model ID");
  const said = shell(`npm run catalog -- import ${file} --yes`);
  expect(shell(ask)).toContain(DEMO);
  expect(shell(`npm run catalog -- import ${file} --yes`)).toContain("Nothing to publish.");
  const back = /^Back again: (npm run catalog -- rollback [0-9a-f]{32})$/m.exec(said)?.[1] ?? "";
  expect(shell(back)).toContain("Live again at ");
  expect(shell(ask)).toContain("groq/wood-2-mini is not a valid model ID");
  expect(() => shell("npm run catalog -- import https://127.0.0.1/api.json")).toThrow(/must be on the public internet/);
});

test("npm run bench starts, and refuses what it doesn't know before it measures", () => {
  expect(() => shell("npm run bench -- --only nothing")).toThrow(/--only takes .*, not nothing/);
});

test("npm run dev serves with hot reload", async () => {
  const dev = await serve({ script: "npm run dev" });
  try {
    const answer = await fetch(`${dev.apiBase}/key`, { headers: { Authorization: `Bearer ${dev.key}` } });
    expect(answer.status).toBe(200);
  } finally {
    await dev.stop();
  }
});

/** The text that a stream of chat completion chunks says. */
function spoken(stream: string): string {
  return [...stream.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text).join("");
}
