/**
 * The house rules are only worth something if they refuse: each class of violation is planted in a copy of the house
 * and must be seen, because a linter that is silently off looks like a clean house.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkHouse, readSources } from "../../src/cli/house.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

interface Planted {
  readonly name: string;
  readonly file: string;
  readonly code: string;
  readonly rule: string;
}

const imports = "eslint(no-restricted-imports)";
const planted: readonly Planted[] = [
  {
    name: "core imports catalog",
    file: "src/core/up.ts",
    code: 'import { a } from "../catalog/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "core imports a package",
    file: "src/core/package.ts",
    code: 'import { a } from "hono";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "a rank 1 folder imports its sibling",
    file: "src/limits/sibling.ts",
    code: 'import { a } from "../ledger/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "a nested file imports a sibling folder",
    file: "src/catalog/build/sibling.ts",
    code: 'import { a } from "../../ledger/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "gates import the router",
    file: "src/gates/up.ts",
    code: 'import { a } from "../router/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "the router imports http",
    file: "src/router/up.ts",
    code: 'import { a } from "../http/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "jobs import http",
    file: "src/jobs/up.ts",
    code: 'import { a } from "../http/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "http imports the console",
    file: "src/http/side.ts",
    code: 'import { a } from "../console/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "the console imports http",
    file: "src/console/side.ts",
    code: 'import { a } from "../http/a.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "a route imports the worker's wiring",
    file: "src/http/routes/deps.ts",
    code: 'import { a } from "../../deps.ts";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "hono in the router",
    file: "src/router/web.ts",
    code: 'import { a } from "hono";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "drizzle in http",
    file: "src/http/sql.ts",
    code: 'import { a } from "drizzle-orm/d1";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "node in providers",
    file: "src/providers/node.ts",
    code: 'import { a } from "node:fs";\nexport const b = a;',
    rule: imports,
  },
  {
    name: "a cycle",
    file: "src/core/cycle-a.ts",
    code: 'import { b } from "./cycle-b.ts";\nexport const a = (): unknown => b;',
    rule: "import(no-cycle)",
  },
  {
    name: "the other half of the cycle",
    file: "src/core/cycle-b.ts",
    code: 'import { a } from "./cycle-a.ts";\nexport const b = (): unknown => a;',
    rule: "import(no-cycle)",
  },
  {
    name: "the clock outside deps",
    file: "src/router/clock.ts",
    code: "export const now = (): number => Date.now();",
    rule: "eslint(no-restricted-properties)",
  },
  {
    name: "chance outside deps",
    file: "src/router/chance.ts",
    code: "export const draw = (): number => Math.random();",
    rule: "eslint(no-restricted-properties)",
  },
  {
    name: "the network outside deps",
    file: "src/router/net.ts",
    code: 'export const get = (): Promise<Response> => fetch("https://example.com");',
    rule: "eslint(no-restricted-globals)",
  },
  {
    name: "console outside deps",
    file: "src/router/print.ts",
    code: 'export const say = (): void => console.log("x");',
    rule: "eslint(no-console)",
  },
  {
    name: "a floating promise",
    file: "src/gates/float.ts",
    code: "async function a(): Promise<void> {}\nexport function b(): void {\n  a();\n}",
    rule: "typescript(no-floating-promises)",
  },
  {
    name: "a floating thenable",
    file: "src/gates/thenable.ts",
    code: "interface Query {\n  then(resolve: (value: number) => void, reject: (reason: unknown) => void): void;\n}\nexport function b(query: () => Query): void {\n  query();\n}",
    rule: "typescript(no-floating-promises)",
  },
  {
    name: "a switch that forgets a case",
    file: "src/core/switch.ts",
    code: 'export function a(kind: "x" | "y"): number {\n  switch (kind) {\n    case "x":\n      return 1;\n  }\n  return 2;\n}',
    rule: "typescript(switch-exhaustiveness-check)",
  },
  {
    name: "any",
    file: "src/core/any.ts",
    code: "export const a = (value: any): unknown => value;",
    rule: "typescript(no-explicit-any)",
  },
  {
    name: "a non-null assertion",
    file: "src/core/bang.ts",
    code: "export const a = (value: string | null): string => value!;",
    rule: "typescript(no-non-null-assertion)",
  },
  {
    name: "a default export",
    file: "src/core/default.ts",
    code: "export default 1;",
    rule: "import(no-default-export)",
  },
  {
    name: "@ts-ignore",
    file: "src/core/ignore.ts",
    code: "// @ts-ignore\nexport const a = 1;",
    rule: "typescript(ban-ts-comment)",
  },
  {
    name: "a file of more than 400 lines",
    file: "src/core/long.ts",
    code: "export const a = 1;\n".repeat(1) + "// line\n".repeat(401),
    rule: "eslint(max-lines)",
  },
  {
    name: "a function of more than 70 lines",
    file: "src/core/function.ts",
    code: `export function a(): void {\n${"  void 0;\n".repeat(71)}}`,
    rule: "eslint(max-lines-per-function)",
  },
];

const allowed: readonly Omit<Planted, "rule">[] = [
  {
    name: "a router imports gates, limits and core",
    file: "src/router/down.ts",
    code: 'import { a } from "../gates/a.ts";\nimport { b } from "../limits/b.ts";\nimport { c } from "../core/c.ts";\nexport const d = [a, b, c];',
  },
  {
    name: "a route imports its own folder and the router",
    file: "src/http/routes/down.ts",
    code: 'import { a } from "../respond.ts";\nimport { b } from "../../router/b.ts";\nimport { c } from "hono";\nexport const d = [a, b, c];',
  },
  { name: "the clock in deps", file: "src/deps.ts", code: "export const now = (): number => Date.now();" },
  {
    name: "drizzle in the ledger",
    file: "src/ledger/books.ts",
    code: 'import { a } from "drizzle-orm/d1";\nexport const b = a;',
  },
];

const dir = mkdtempSync(path.join(tmpdir(), "waypost-house-"));
const seen = new Map<string, Set<string>>();

beforeAll(() => {
  for (const name of [".oxlintrc.json", "tsconfig.json", "package.json"])
    cpSync(path.join(ROOT, name), path.join(dir, name));
  symlinkSync(path.join(ROOT, "node_modules"), path.join(dir, "node_modules"));
  for (const { file, code } of [...planted, ...allowed]) {
    mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    writeFileSync(path.join(dir, file), `${code}\n`);
  }
  const oxlint = spawnSync(path.join(ROOT, "node_modules/.bin/oxlint"), ["--format", "json"], {
    cwd: dir,
    encoding: "utf8",
  });
  const { diagnostics } = JSON.parse(oxlint.stdout) as { diagnostics: { code: string; filename: string }[] };
  for (const { code, filename } of diagnostics) seen.set(filename, (seen.get(filename) ?? new Set()).add(code));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.each(planted)("lint refuses $name", ({ file, rule }) => {
  expect([...(seen.get(file) ?? [])]).toContain(rule);
});

test.each(allowed)("lint lets pass: $name", ({ file }) => {
  expect([...(seen.get(file) ?? [])]).toEqual([]);
});

const head = "/** Says what it is. */\n";
test.each([
  {
    name: "the named import of zod",
    path: "src/core/a.ts",
    text: `${head}import { z } from "zod";\n`,
    says: "import zod",
  },
  { name: "a camel-case file name", path: "src/core/someThing.ts", text: head, says: "kebab-case" },
  { name: "a name that says nothing", path: "src/core/string-utils.ts", text: head, says: "say nothing" },
  { name: "a missing doc block", path: "src/core/a.ts", text: "export const a = 1;\n", says: "doc block" },
  { name: "a barrel", path: "src/core/a.ts", text: `${head}export * from "./b.ts";\n`, says: "barrels" },
  { name: "a class", path: "src/core/a.ts", text: `${head}export class Thing {}\n`, says: "no classes" },
  {
    name: "a class beside a Durable Object",
    path: "src/gates/a.ts",
    text: `${head}export class Gate extends DurableObject {}\nclass Thing {}\n`,
    says: "no classes",
  },
  {
    name: "a provider's name in the router",
    path: "src/router/a.ts",
    text: `${head}export const a = "groq";\n`,
    says: "provider's name",
  },
])("the house check refuses $name", ({ path: file, text, says }) => {
  expect(checkHouse([{ path: file, text }], ["groq"])).toEqual([expect.stringContaining(says)]);
});

test("the house check lets a Durable Object and a namespace import of zod pass", () => {
  const text = `${head}import * as z from "zod";\nexport class Gate extends DurableObject<Env> {}\nexport const a = z;\n`;
  expect(checkHouse([{ path: "src/gates/a.ts", text }], ["groq"])).toEqual([]);
});

test("the house check reads the sources", () => {
  expect(readSources("src").length).toBeGreaterThan(20);
});
