/** Migrations are split as SQLite reads them and applied once each, over a real SQLite. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { expect, test } from "vitest";
import { type Database, migrate, splitStatements } from "../../../src/cli/migrate.ts";

const MIGRATIONS = path.resolve(import.meta.dirname, "../../../migrations");

test.each([
  { name: "two statements", sql: "CREATE TABLE a (x);\nCREATE TABLE b (y);\n", count: 2 },
  { name: "a last one without a semicolon", sql: "SELECT 1;SELECT 2", count: 2 },
  { name: "semicolons in strings and quoted names", sql: `INSERT INTO a VALUES ('x;''y', "b;c"); SELECT 1;`, count: 2 },
  { name: "comments with semicolons", sql: "-- one; two\nSELECT 1; /* three; */ SELECT 2;\n-- end;", count: 2 },
  {
    name: "a trigger with a body of several statements and a CASE",
    sql: "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = CASE WHEN 1 THEN 2 END; DELETE FROM b; END;\nSELECT 1;",
    count: 2,
  },
  { name: "a CASE outside of a trigger", sql: "SELECT CASE WHEN 1 THEN 2 END; SELECT 2;", count: 2 },
  { name: "nothing", sql: "\n-- only a comment\n", count: 0 },
])("split: $name", ({ sql, count }) => {
  expect(splitStatements(sql)).toHaveLength(count);
});

/** A D1 as far as migrations need it, over SQLite in memory. */
function memoryDatabase(sqlite: DatabaseSync): Database {
  const prepare = (sql: string, values: SQLInputValue[] = []): ReturnType<Database["prepare"]> => ({
    bind: (...bound) => prepare(sql, bound as SQLInputValue[]),
    all: async () => ({ results: sqlite.prepare(sql).all(...values) }),
    run: async () => sqlite.prepare(sql).run(...values),
  });
  return {
    prepare: (sql) => prepare(sql),
    async batch(statements) {
      sqlite.exec("BEGIN");
      try {
        for (const statement of statements) await statement.run();
        sqlite.exec("COMMIT");
      } catch (error) {
        sqlite.exec("ROLLBACK");
        throw error;
      }
    },
  };
}

test("the house's own migrations apply once, in order", async () => {
  const sqlite = new DatabaseSync(":memory:");
  const names = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql"));
  expect(await migrate(memoryDatabase(sqlite), MIGRATIONS)).toEqual(names.sort());
  expect(await migrate(memoryDatabase(sqlite), MIGRATIONS)).toEqual([]);
  const triggers = names.flatMap((name) =>
    [...readFileSync(path.join(MIGRATIONS, name), "utf8").matchAll(/CREATE TRIGGER `(\w+)`/g)].map(([, made]) => made),
  );
  const kept = sqlite.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").all();
  expect(kept.map(({ name }) => name)).toEqual([...new Set(triggers)].toSorted());
});

test("books that are in use keep every row through the migrations that rebuild their tables", async () => {
  const sqlite = new DatabaseSync(":memory:");
  const dir = mkdtempSync(path.join(tmpdir(), "waypost-migrate-"));
  for (const name of ["0000_books.sql", "0001_books_triggers.sql"]) {
    cpSync(path.join(MIGRATIONS, name), path.join(dir, name));
  }
  await migrate(memoryDatabase(sqlite), dir);
  sqlite.exec(`INSERT INTO lines VALUES ('gl1/a', 'tenant:gl1', 7), ('gl1/a', 'promotion', -7);
    INSERT INTO entries VALUES ('gl1/a', 'credit', 1, 'why'), ('gl1/gen-1', 'usage', 2, NULL);
    INSERT INTO generations VALUES ('gen-1', 'gl1', 'gl1/gen-1', 2, 0, 0, '{}'), ('gen-2', 'gl1', 'gl1/gen-1', 2, 0, 0, '{}')`);
  const all = () =>
    ["entries", "lines", "balances", "generations"].map((table) =>
      sqlite.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all(),
    );
  const before = all();
  await migrate(memoryDatabase(sqlite), MIGRATIONS);
  expect(all()).toEqual(before);
  expect(before.map((rows) => rows.length)).toEqual([2, 2, 2, 2]);
  expect(() => sqlite.exec("DELETE FROM lines")).toThrow("lines never go");
  rmSync(dir, { recursive: true });
});

test("a migration that fails leaves nothing behind and is tried again", async () => {
  const dir = mkdtempSync(path.join(tmpdir(), "waypost-migrate-"));
  const sqlite = new DatabaseSync(":memory:");
  writeFileSync(path.join(dir, "0000_a.sql"), "CREATE TABLE a (x); INSERT INTO missing VALUES (1);");
  await expect(migrate(memoryDatabase(sqlite), dir)).rejects.toThrow("missing");
  writeFileSync(path.join(dir, "0000_a.sql"), "CREATE TABLE a (x);");
  expect(await migrate(memoryDatabase(sqlite), dir)).toEqual(["0000_a.sql"]);
  rmSync(dir, { recursive: true });
});
