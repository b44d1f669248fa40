/**
 * Applies D1 migrations to the embedded database, as `wrangler d1 migrations apply` does: SQL files in the order of
 * their names, each once, noted in the table `d1_migrations`, the file's statements and the note in one batch.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** What is needed of a D1 database. */
export interface Database {
  prepare(sql: string): Statement;
  batch(statements: Statement[]): Promise<unknown>;
}
interface Statement {
  bind(...values: unknown[]): Statement;
  all(): Promise<{ results: unknown[] }>;
  run(): Promise<unknown>;
}

const TABLE =
  "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, " +
  "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)";

/** Brings `database` up to the newest migration in `dir`. @returns the names of those applied now. */
export async function migrate(database: Database, dir: string): Promise<readonly string[]> {
  await database.prepare(TABLE).run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
  // Rows of our own table, one text column.
  const done = new Set(results.map((row) => (row as { name: string }).name));
  const missing = readdirSync(dir)
    .filter((name) => name.endsWith(".sql") && !done.has(name))
    .sort();
  for (const name of missing) {
    const statements = splitStatements(readFileSync(path.join(dir, name), "utf8"));
    await database.batch([
      ...statements.map((sql) => database.prepare(sql)),
      database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
  return missing;
}

/**
 * The statements of a SQL file: split at semicolons outside of strings, quoted names, comments and trigger bodies
 * (`CREATE TRIGGER ... BEGIN ... END`, in which `CASE ... END` may nest).
 */
export function splitStatements(sql: string): readonly string[] {
  const token =
    /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\b(?:CREATE\s+(?:TEMP\w*\s+)?TRIGGER|BEGIN|CASE|END)\b|;/gi;
  const statements: string[] = [];
  let from = 0;
  let isTrigger = false;
  let depth = 0;
  for (const found of sql.matchAll(token)) {
    const word = found[0].toUpperCase();
    if (/^CREATE\s/.test(word)) isTrigger = true;
    else if (isTrigger && (word === "BEGIN" || word === "CASE")) depth += 1;
    else if (isTrigger && word === "END") depth -= 1;
    else if (word === ";" && depth === 0) {
      statements.push(sql.slice(from, found.index));
      from = found.index + 1;
      isTrigger = false;
    }
  }
  statements.push(sql.slice(from));
  return statements.map(trimComments).filter((statement) => statement !== "");
}

function trimComments(statement: string): string {
  return statement.replaceAll(/^(\s*(--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/))*\s*/g, "").trim();
}
