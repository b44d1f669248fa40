/**
 * A gate's storage and the books' D1 on node:sqlite, so that thousands of interleavings run in a second: the same SQL,
 * the same migrations, no workerd. D1's answer may be lost before or after the commit.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

const migrations = path.resolve(import.meta.dirname, "../../../migrations");

/** What account-store.ts uses of a Durable Object's storage. */
export function openStorage(): DurableObjectStorage {
  const db = new DatabaseSync(":memory:");
  // Transactions may lie within each other, as there.
  let depth = 0;
  const transactionSync = <T>(change: () => T): T => {
    db.exec(depth === 0 ? "BEGIN" : `SAVEPOINT s${depth}`);
    depth++;
    try {
      const result = change();
      depth--;
      db.exec(depth === 0 ? "COMMIT" : `RELEASE s${depth}`);
      return result;
    } catch (error) {
      depth--;
      db.exec(depth === 0 ? "ROLLBACK" : `ROLLBACK TO s${depth}`);
      throw error;
    }
  };
  const statements = new Map<string, StatementSync>();
  const prepared = (text: string): StatementSync => {
    const statement = statements.get(text) ?? db.prepare(text);
    statements.set(text, statement);
    return statement;
  };
  const exec = (statement: string, ...parameters: SQLInputValue[]) => {
    // Only the table definitions are several statements at once.
    const isScript = parameters.length === 0 && statement.includes(";");
    const rows = isScript ? [] : prepared(statement).all(...parameters);
    if (isScript) db.exec(statement);
    return { toArray: () => rows };
  };
  return { sql: { exec }, transactionSync } as unknown as DurableObjectStorage;
}

/** D1 with the product's migrations; `next` says what becomes of the next batch that writes. */
export interface TestBooks {
  readonly db: D1Database;
  readonly raw: DatabaseSync;
  next: "ok" | "before" | "after";
}

interface Statement {
  readonly query: string;
  readonly parameters: readonly SQLInputValue[];
}

export function openBooks(): TestBooks {
  const raw = new DatabaseSync(":memory:");
  raw.exec("PRAGMA foreign_keys = ON");
  for (const name of readdirSync(migrations)
    .filter((file) => file.endsWith(".sql"))
    .toSorted()) {
    raw.exec(readFileSync(path.join(migrations, name), "utf8"));
  }
  const statements = new Map<string, StatementSync>();
  const prepared = (text: string): StatementSync => {
    const statement = statements.get(text) ?? raw.prepare(text);
    statements.set(text, statement);
    return statement;
  };
  const prepare = (query: string) => {
    const statement = (parameters: readonly SQLInputValue[]): object => ({
      query,
      parameters,
      bind: (...given: SQLInputValue[]) => statement(given),
      all: async () => ({ results: prepared(query).all(...parameters) }),
    });
    return statement([]);
  };
  const batch = async (statements: readonly Statement[]) => {
    const writes = statements.some((one) => one.query.startsWith("INSERT"));
    const fate = writes ? books.next : "ok";
    if (writes) books.next = "ok";
    if (fate === "before") throw new Error("D1 can't be reached");
    raw.exec("BEGIN");
    try {
      const results = statements.map((one) => ({ results: prepared(one.query).all(...one.parameters) }));
      raw.exec("COMMIT");
      if (fate === "after") throw new Error("the answer was lost");
      return results;
    } catch (error) {
      if (raw.isTransaction) raw.exec("ROLLBACK");
      throw error;
    }
  };
  const books: TestBooks = { db: { prepare, batch } as unknown as D1Database, raw, next: "ok" };
  return books;
}
