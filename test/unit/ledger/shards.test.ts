/** Which database has which account, by the bindings of a deployment. */
import { expect, test } from "vitest";
import { asAccountId, type AccountId, type Home } from "../../../src/core/ids.ts";
import { cursorAfter, openBooks } from "../../../src/ledger/shards.ts";

/** Databases are told apart by their names here; nothing is asked of them. */
const named = (name: string): unknown => ({ name });
const env = (...bindings: readonly string[]): Record<string, unknown> => ({
  OTHER: "x",
  DB_BACKUP: named("no shard"),
  ...Object.fromEntries(bindings.map((binding) => [binding, named(binding)])),
});
const accountIn = (place: string): AccountId => asAccountId(`${place}0000000000abc`);

test.each([
  { name: "one database has everybody of shard 1", bindings: ["DB"], places: { gl1: "DB", eu1: "DB", us1: "DB" } },
  {
    name: "each shard has its own, and a region that has one is not in the first",
    bindings: ["DB", "DB_GL2", "DB_EU1", "DB_GL9"],
    places: { gl1: "DB", gl2: "DB_GL2", gl9: "DB_GL9", eu1: "DB_EU1", us1: "DB" },
  },
])("$name", ({ bindings, places }) => {
  const books = openBooks(env(...bindings));
  for (const [place, binding] of Object.entries(places)) {
    expect(books.of(accountIn(place)).db, place).toEqual({ name: binding });
  }
});

test.each(["gl2", "eu2", "us3"])("an account of %s, whose database is not bound, is served by none", (place) => {
  const books = openBooks(env("DB"));
  expect(() => books.of(accountIn(place)).db.prepare("SELECT 1")).toThrow(
    `No database is bound for the shard "${place}".`,
  );
  expect(books.shardOf(place)).toBeUndefined();
});

test("generations of a region's own database go to a bucket of that region, or stay", () => {
  const { shards } = openBooks(env("DB", "DB_GL2", "DB_EU1", "DB_US1", "ARCHIVE", "ARCHIVE_EU"));
  expect(Object.fromEntries(shards.map(({ name, archive }) => [name, archive]))).toEqual({
    gl1: { name: "ARCHIVE" },
    gl2: { name: "ARCHIVE" },
    eu1: { name: "ARCHIVE_EU" },
    us1: null,
  });
});

test.each<{ name: string; bindings: readonly string[]; wanted?: string; home: Home; expected: number }>([
  { name: "the only database", bindings: ["DB"], home: "gl", expected: 1 },
  { name: "the only database, for a region too", bindings: ["DB"], home: "eu", expected: 1 },
  { name: "the newest database", bindings: ["DB", "DB_GL2", "DB_GL3"], home: "gl", expected: 3 },
  { name: "the region's own database", bindings: ["DB", "DB_GL3", "DB_EU2"], home: "eu", expected: 2 },
  { name: "what the operator says", bindings: ["DB", "DB_GL2", "DB_GL3"], wanted: "eu1, gl2", home: "gl", expected: 2 },
  {
    name: "the newest, when the operator names others",
    bindings: ["DB", "DB_US4"],
    wanted: "gl1",
    home: "us",
    expected: 4,
  },
])("new accounts go to $name", ({ bindings, wanted, home, expected }) => {
  expect(openBooks({ ...env(...bindings), NEW_ACCOUNTS: wanted }).openShard(home)).toBe(expected);
});

test("a walk goes through every database and ends", () => {
  const books = openBooks(env("DB", "DB_GL2", "DB_EU1"));
  expect(books.shards.map(({ name }) => name)).toEqual(["gl1", "eu1", "gl2"]);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const at = books.from(cursor);
    if (at === undefined) throw new Error("the walk's own cursor is one");
    seen.push(`${at.shard.name} ${at.afterId ?? "-"}`);
    // Two pages each.
    const isFirst = at.afterId === null;
    cursor = cursorAfter(books, at.shard, accountIn(at.shard.name), isFirst);
  } while (cursor !== null);
  expect(seen).toEqual(["gl1", "eu1", "gl2"].flatMap((name) => [`${name} -`, `${name} ${name}0000000000abc`]));
});

test.each(["x", "gl1", "gl2/", "gl1/x", "/", "gl1/gl10000000000abc/", accountIn("gl1")])(
  "%s is no cursor of one database",
  (cursor) => {
    expect(openBooks(env("DB")).from(cursor)).toBeUndefined();
  },
);
