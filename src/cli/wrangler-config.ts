/**
 * Copies of wrangler.toml with what must not be committed filled in: ids of the resources in an account, paths made
 * absolute. Text in, text out, so that everything else stays word for word. And what is wrong with its databases.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { assert } from "../core/result.ts";
import type { Manifest } from "./manifest.ts";
import { ROOT } from "./paths.ts";

export interface Derivation {
  /** Ids of the D1 databases, by binding; absent: the placeholder stays. */
  readonly databaseIds?: Readonly<Record<string, string>>;
  /** Id of the KV namespace; absent: the placeholder stays. */
  readonly namespaceId?: string;
  /** Take the required secrets out, so that wrangler's development server gets all variables of its env file. */
  readonly withoutSecrets?: boolean;
}

/** The configuration with `derivation` applied. Throws when the text has no such place: the two belong together. */
export function deriveConfig(toml: string, root: string, derivation: Derivation): string {
  const absolute = (relative: string): string => JSON.stringify(path.join(root, relative));
  let text = replaced(toml, /^main = "(.*)"$/m, (_, file) => `main = ${absolute(file)}`);
  text = replaced(text, /^migrations_dir = "(.*)"$/gm, (_, dir) => `migrations_dir = ${absolute(dir)}`);
  const { databaseIds = {}, namespaceId } = derivation;
  for (const [binding, id] of Object.entries(databaseIds)) {
    const place = new RegExp(
      `^(\\[\\[d1_databases\\]\\]\\nbinding = "${binding}"\\n(?:[^[\\n].*\\n)*?database_id = )".*"$`,
      "m",
    );
    text = replaced(text, place, (_, before) => `${before}"${id}"`);
  }
  if (namespaceId !== undefined) text = replaced(text, /^id = ".*"$/m, () => `id = "${namespaceId}"`);
  return derivation.withoutSecrets === true ? replaced(text, /^\[secrets\]\nrequired = .*\n/m, () => "") : text;
}

/** Without the flag g: the first match. */
function replaced(text: string, pattern: RegExp, replacement: (whole: string, group: string) => string): string {
  assert(text.search(pattern) >= 0, `wrangler.toml has a line like ${pattern.source}`);
  return text.replace(pattern, replacement);
}

/**
 * A database that no account would ever live in, or two of one name, are mistakes of the file.
 * @returns one sentence about the first of them.
 */
export function databaseFault({ d1: databases, vars }: Pick<Manifest, "d1" | "vars">): string | undefined {
  const odd = databases.find(({ binding }) => binding !== "DB" && !/^DB_(GL[2-9]|(EU|US)[1-9])$/.test(binding));
  if (odd !== undefined) {
    return `wrangler.toml: the database binding ${odd.binding} names no shard; write DB_GL2 to DB_GL9, DB_EU1, DB_US1 and so on.`;
  }
  const names = databases.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return `wrangler.toml: two databases have the name ${twice}.`;
  const shards = new Set(["gl1", "eu1", "us1", ...databases.map(({ binding }) => binding.slice(3).toLowerCase())]);
  const closed = (vars["NEW_ACCOUNTS"] ?? "").split(/[\s,]+/).find((name) => name !== "" && !shards.has(name));
  return closed === undefined ? undefined : `wrangler.toml: NEW_ACCOUNTS names ${closed}, which has no database.`;
}

/** Variables in the format of an env file. No value has a line end. */
export function envFile(vars: Readonly<Record<string, string>>): string {
  const quoted = (value: string): string => {
    const quote = ["'", '"', "`"].find((candidate) => !value.includes(candidate));
    assert(quote !== undefined, "a variable lacks at least one of the three quotes");
    return `${quote}${value}${quote}`;
  };
  return Object.entries(vars)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join("");
}

/** Writes a derived file to wrangler's own state folder, readable by its owner only. @returns its path. */
export function writeDerived(name: string, text: string): string {
  const dir = path.join(ROOT, ".wrangler/waypost");
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, name);
  writeFileSync(file, text, { mode: 0o600 });
  chmodSync(file, 0o600);
  return file;
}
