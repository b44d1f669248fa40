/** Derived configurations change what they say and nothing else; faulty databases are named. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { databaseFault, deriveConfig, envFile } from "../../../src/cli/wrangler-config.ts";

const toml = readFileSync(path.resolve(import.meta.dirname, "../../../wrangler.toml"), "utf8");

function changedLines(text: string): readonly string[] {
  const before = new Set(toml.split("\n"));
  return text.split("\n").filter((line) => !before.has(line));
}

test("a deploy's copy has the ids of the account and absolute paths", () => {
  expect(changedLines(deriveConfig(toml, "/house", { databaseIds: { DB: "d-1" }, namespaceId: "n-1" }))).toEqual([
    'main = "/house/src/worker.ts"',
    'database_id = "d-1"',
    'migrations_dir = "/house/migrations"',
    'id = "n-1"',
  ]);
});

test("each database gets its own id, wherever its block stands", () => {
  const more = `${toml}
[[d1_databases]]
binding = "DB_GL2"
database_name = "waypost-gl2"
database_id = "0"
migrations_dir = "migrations"
`;
  const derived = deriveConfig(more, "/house", { databaseIds: { DB_GL2: "d-2", DB: "d-1" } });
  expect(derived.match(/^(binding = "DB|database_id|migrations_dir).*$/gm)).toEqual([
    'binding = "DB"',
    'database_id = "d-1"',
    'migrations_dir = "/house/migrations"',
    'binding = "DB_GL2"',
    'database_id = "d-2"',
    'migrations_dir = "/house/migrations"',
  ]);
});

test("a development copy requires no secrets, so that wrangler passes every variable", () => {
  const derived = deriveConfig(toml, "/house", { withoutSecrets: true });
  expect(derived).not.toContain("[secrets]");
  expect(derived).toContain("[vars]");
});

test("a wrangler.toml without a place for the id is a bug, not a silent default", () => {
  expect(() => deriveConfig(toml.replace("database_id", "other_id"), "/house", { databaseIds: { DB: "d" } })).toThrow(
    "database_id",
  );
});

test.each(["plain", "with 'single'", 'with "double"', "a#b=c", "both ' and \""])(
  "an env file gives back: %s",
  (value) => {
    expect(parseEnv(envFile({ NAME: value }))).toEqual({ NAME: value });
  },
);

const database = (binding: string, name = `waypost ${binding}`) => ({ binding, name, migrationsDir: "migrations" });

test.each([
  { name: "the one that is there", more: [], vars: {} },
  {
    name: "one more of each home",
    more: ["DB_GL2", "DB_GL9", "DB_EU1", "DB_US9"].map((binding) => database(binding)),
    vars: { NEW_ACCOUNTS: "gl2, eu1 us1" },
  },
])("databases without a fault: $name", ({ more, vars }) => {
  expect(databaseFault({ d1: [database("DB"), ...more], vars })).toBe(undefined);
});

test.each([
  { name: "a binding that is no shard", more: [database("DB_2")], says: "DB_2 names no shard" },
  { name: "a second first database", more: [database("DB_GL1")], says: "DB_GL1 names no shard" },
  { name: "a name twice", more: [database("DB_GL2", "waypost DB")], says: "two databases have the name waypost DB" },
  {
    name: "new accounts where nothing is",
    more: [],
    vars: { NEW_ACCOUNTS: "gl1 gl2" },
    says: "NEW_ACCOUNTS names gl2",
  },
])("$name is one sentence", ({ more, vars = {}, says }) => {
  expect(databaseFault({ d1: [database("DB"), ...more], vars })).toMatch(
    new RegExp(`^wrangler\\.toml: .*${says}.*\\.$`),
  );
});
