/**
 * Which database has which account. An account's id begins with its home and shard (`gl2...`), fixed when it was made,
 * and so does a database's binding: `DB_GL2`. `DB` is `gl1`, and has shard 1 of the regions too, as long as they have no
 * `DB_EU1` or `DB_US1` of their own. An account whose database is not bound is served by none: never by another one.
 * `DB` also has what belongs to the deployment as a whole: providers' settings, appointments of jobs, reconciliations.
 * Generations that are 30 days old go to the bucket ARCHIVE; those of a region's own database to ARCHIVE_EU or ARCHIVE_US,
 * and stay in the database as long as there is none.
 * Limit: shards 1 to 9 a home, one digit of the id.
 */
import { asAccountId, placeOfAccount, type AccountId, type Home } from "../core/ids.ts";
import { assert } from "../core/result.ts";

/** One database of the books. */
export interface Shard {
  /** Home and number, such as `gl2`. */
  readonly name: string;
  readonly db: D1Database;
  /** Where its generations go after 30 days; null: they stay. */
  readonly archive: R2Bucket | null;
}

/** Where a walk over all accounts stands: after `afterId` in this database, at its beginning for null. */
export interface ShardCursor {
  readonly shard: Shard;
  readonly afterId: AccountId | null;
}

export interface Books {
  readonly main: D1Database;
  /** All databases, `gl1` first. */
  readonly shards: readonly Shard[];
  /** The account's own; one whose database fails at every use when it is not bound. */
  readonly of: (account: AccountId) => Shard;
  /** The database that accounts beginning with `place` (`gl2`) live in, if it is bound. */
  readonly shardOf: (place: string) => Shard | undefined;
  /** The shard that takes new accounts of `home`: what NEW_ACCOUNTS says, else the newest. */
  readonly openShard: (home: Home) => number;
  /** Takes a cursor apart, null for the very first page. @returns undefined for a text that is no cursor. */
  readonly from: (cursor: string | null) => ShardCursor | undefined;
}

const MAIN = "gl1";
const BINDING = /^DB_(GL|EU|US)([1-9])$/;

/** The books of a deployment, by its bindings. Cheap; never throws for what is not bound. */
export function openBooks(env: Readonly<Record<string, unknown>>): Books {
  const main = env["DB"] as D1Database; // bound by wrangler.toml, like the others
  const bucket = (name: string): R2Bucket | null => (env[name] ?? null) as R2Bucket | null;
  const others = Object.keys(env)
    .filter((name) => BINDING.test(name) && name !== "DB_GL1")
    .toSorted()
    .map((name): Shard => ({
      name: name.slice("DB_".length).toLowerCase(),
      db: env[name] as D1Database,
      archive: bucket(name.startsWith("DB_GL") ? "ARCHIVE" : `ARCHIVE_${name.slice(3, 5)}`),
    }));
  const shards: readonly Shard[] = [{ name: MAIN, db: main, archive: bucket("ARCHIVE") }, ...others];
  const byName = new Map(shards.map((shard) => [shard.name, shard]));
  const wanted = typeof env["NEW_ACCOUNTS"] === "string" ? env["NEW_ACCOUNTS"] : "";
  const shardOf = (place: string): Shard | undefined =>
    byName.get(place) ?? (/^(eu|us)1$/.test(place) ? byName.get(MAIN) : undefined);
  return {
    main,
    shards,
    shardOf,
    of(account) {
      const place = placeOfAccount(account);
      const name = place === undefined ? "" : `${place.home}${place.shard}`;
      return shardOf(name) ?? { name, db: closedDatabase(name), archive: null };
    },
    openShard: (home) => openShard(home, wanted, [...byName.keys()]),
    from: (cursor) => cursorFrom(cursor, shards),
  };
}

/** The cursor of the next page: after `lastId` while its database has more, then the next database, then null. */
export function cursorAfter(
  books: Books,
  shard: Shard,
  lastId: AccountId | undefined,
  hasMore: boolean,
): string | null {
  if (hasMore && lastId !== undefined) return `${shard.name}/${lastId}`;
  const next = books.shards[books.shards.findIndex(({ name }) => name === shard.name) + 1];
  return next === undefined ? null : `${next.name}/`;
}

function cursorFrom(cursor: string | null, shards: readonly Shard[]): ShardCursor | undefined {
  const [first] = shards;
  assert(first !== undefined, "there is a first database");
  if (cursor === null) return { shard: first, afterId: null };
  const [, name, after = ""] = /^([a-z]{2}[1-9])\/([0-9a-z]*)$/.exec(cursor) ?? [];
  const shard = shards.find((one) => one.name === name);
  if (shard === undefined || (after !== "" && placeOfAccount(after) === undefined)) return undefined;
  return { shard, afterId: after === "" ? null : asAccountId(after) };
}

function openShard(home: Home, wanted: string, names: readonly string[]): number {
  const named = wanted.split(/[\s,]+/).find((name) => /^[a-z]{2}[1-9]$/.test(name) && name.startsWith(home));
  if (named !== undefined) return Number(named.slice(2));
  const bound = names.filter((name) => name.startsWith(home)).map((name) => Number(name.slice(2)));
  return Math.max(1, ...bound);
}

/** Stands for a database that is not bound: whoever uses it fails as if it could not be reached. */
function closedDatabase(name: string): D1Database {
  const refuse = (): never => {
    throw new Error(`No database is bound for the shard "${name}".`);
  };
  const closed: Pick<D1Database, "prepare" | "batch"> = { prepare: refuse, batch: refuse };
  // Nothing else of D1 is used, and its type has no other face of this kind.
  return closed as D1Database;
}
