/**
 * `npm run catalog -- import <file or URL>`: reads a list of models, says what of it is refused and why, shows what would
 * change in the live catalog, and publishes it when it is told to. Limits: LIST_BYTES_MAX, LIST_MS_MAX.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { importFeed, isBroken, type Import } from "../catalog/import/assemble.ts";
import { diffCatalogs, FLAG_BPS } from "../catalog/import/diff.ts";
import { readFeed } from "../catalog/import/formats.ts";
import { diffText, refusalText } from "../catalog/import/report.ts";
import { parseCatalog } from "../catalog/parse.ts";
import type { Catalog } from "../catalog/schema.ts";
import { isObject, parseJson, stringOf } from "../core/json.ts";
import { fetchPublic, type AddressRule } from "../core/public-url.ts";
import { err, ok, type Result } from "../core/result.ts";
import { ADAPTERS } from "../providers/registry.ts";
import { build } from "./build.ts";
import { readEnvironment } from "./environment.ts";
import { CATALOG } from "./paths.ts";
import { publishCatalog } from "./publish-catalog.ts";
import { chooseServer, type ChosenServer } from "./server.ts";

export const IMPORT_USAGE =
  "import <file or URL> [--yes] [--hold] [--only <providers>] [--out <file>] [--full] [--force]";

const LIST_BYTES_MAX = 64 * 1024 * 1024;
const LIST_MS_MAX = 60_000;

/** What the import is compared with: the live catalog, or the default one where no server runs. */
interface Base {
  readonly catalog: Catalog;
  /** Null: nobody to publish to. */
  readonly server: ChosenServer | null;
  readonly version: string | null;
}

/** Runs the command with what follows its name. @returns what to say, or an error sentence. */
export async function importCatalog(args: readonly string[]): Promise<Result<string, string>> {
  const asked = readArguments(args);
  if (!asked.ok) return asked;
  const { operand, flags } = asked.value;
  const addresses = addressRule();
  const text = await listText(operand, addresses);
  if (!text.ok) return text;
  const feed = readFeed(parseJson(text.value));
  if (!feed.ok) return feed;
  const base = await baseOf(addresses);
  if (!base.ok) return base;
  const only = flags.only === undefined ? null : new Set(flags.only.split(/[\s,]+/).filter((slug) => slug !== ""));
  const done = importFeed(base.value.catalog, feed.value, {
    asOf: new Date().toISOString().slice(0, 10),
    adapters: ADAPTERS,
    addresses,
    only,
    holdAboveBps: flags.hold === true ? FLAG_BPS : null,
  });
  if (!done.ok) return err(done.error.map((fault) => `${fault.path}: ${fault.message}`).join("\n"));
  console.log(reportOf(feed.value.format, base.value, done.value, flags.full === true));
  if (isBroken(done.value) && flags.force !== true) {
    const { lost, brought } = done.value;
    return err(
      `${lost} of the ${brought} endpoints that this list had brought are gone from it; --force takes it all the same.`,
    );
  }
  const catalogText = JSON.stringify(done.value.catalog);
  if (flags.out !== undefined) {
    writeFileSync(fromHere(flags.out), `${catalogText}\n`);
    return ok(`Written to ${flags.out}; nothing was published.`);
  }
  return publishAsked(base.value, catalogText, catalogText === JSON.stringify(base.value.catalog), flags.yes === true);
}

function readArguments(args: readonly string[]) {
  try {
    const { values: flags, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        yes: { type: "boolean" },
        hold: { type: "boolean" },
        full: { type: "boolean" },
        force: { type: "boolean" },
        only: { type: "string" },
        out: { type: "string" },
      },
    });
    const [operand, more] = positionals;
    if (operand === undefined || more !== undefined) return err(`Usage: npm run catalog -- ${IMPORT_USAGE}`);
    return ok({ operand, flags });
  } catch (error) {
    return err(`${error instanceof Error ? error.message : String(error)}\nUsage: npm run catalog -- ${IMPORT_USAGE}`);
  }
}

/** The operator's opt-in to its own network, as the server reads it. */
function addressRule(): AddressRule {
  return { allowsPrivate: readEnvironment(process.env)["WAYPOST_PRIVATE_UPSTREAMS"] === "1" };
}

/** npm runs scripts in the checkout; a relative path is meant from where the operator is. */
function fromHere(file: string): string {
  return path.resolve(process.env["INIT_CWD"] ?? process.cwd(), file);
}

async function listText(operand: string, addresses: AddressRule): Promise<Result<string, string>> {
  if (!/^https?:/.test(operand)) {
    try {
      return ok(readFileSync(fromHere(operand), "utf8"));
    } catch (error) {
      return err(`The list cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const signal = AbortSignal.timeout(LIST_MS_MAX);
  const got = await fetchPublic(operand, { signal }, (url, init) => fetch(url, init), addresses);
  if (!got.ok) return err(got.error.message);
  const { response, url } = got.value;
  if (response.status !== 200) return err(`${url.host} answered with ${response.status}.`);
  try {
    let bytes = 0;
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > LIST_BYTES_MAX) return err(`The list is longer than ${LIST_BYTES_MAX} bytes.`);
      text += decoder.decode(chunk, { stream: true });
    }
    return ok(text + decoder.decode());
  } catch {
    return err(`${url.host} broke off, or took longer than ${LIST_MS_MAX / 1_000} s.`);
  }
}

async function baseOf(addresses: AddressRule): Promise<Result<Base, string>> {
  const server = chooseServer();
  if (!server.ok) {
    console.log(`${server.error}\nCompared with the default catalog; nothing can be published.\n`);
    return defaultBase(null, addresses);
  }
  const live = await server.value.api.call("GET", "/admin/catalog");
  if (!live.ok) return live.error.includes("answered with 404") ? defaultBase(server.value, addresses) : live;
  const data = isObject(live.value) && isObject(live.value["data"]) ? live.value["data"] : {};
  return parsedBase(data["catalog"], server.value, stringOf(data["version"]) ?? null, addresses);
}

async function defaultBase(server: ChosenServer | null, addresses: AddressRule): Promise<Result<Base, string>> {
  const built = await build();
  if (!built.ok) return built;
  return parsedBase(parseJson(readFileSync(CATALOG, "utf8")), server, null, addresses);
}

function parsedBase(
  document: unknown,
  server: ChosenServer | null,
  version: string | null,
  addresses: AddressRule,
): Result<Base, string> {
  const parsed = parseCatalog(document, ADAPTERS, addresses);
  if (parsed.ok) return ok({ catalog: parsed.value, server, version });
  return err(
    `The catalog of now is refused:\n${parsed.error.map((fault) => `${fault.path}: ${fault.message}`).join("\n")}`,
  );
}

function reportOf(format: string, base: Base, done: Import, isFull: boolean): string {
  const { catalog, imported, refused, held } = done;
  const priced = catalog.models.flatMap(({ endpoints }) => endpoints.filter(({ price }) => price !== null));
  const routable = new Set(priced.map(({ provider }) => provider)).size;
  return [
    `${format}: ${refusalText(imported, refused, isFull)}`,
    diffText(diffCatalogs(base.catalog, catalog), isFull),
    ...(held.length === 0
      ? []
      : [`${held.length} endpoints keep their price, which the list moves too far: ${held.join(", ")}`]),
    `Then: ${routable} providers with priced endpoints, ${catalog.models.length} models, ${priced.length} endpoints.`,
  ].join("\n");
}

async function publishAsked(
  { server, version }: Base,
  text: string,
  isSame: boolean,
  isAgreed: boolean,
): Promise<Result<string, string>> {
  if (isSame && version !== null) return ok("Nothing to publish.");
  if (server === null) return ok("Nothing was published.");
  if (!isAgreed && !(await agrees(server.url))) return ok("Nothing was published; --yes publishes.");
  const published = await publishCatalog(server.api, text);
  if (!published.ok) return published;
  const back = version === null ? "" : `\nBack again: npm run catalog -- rollback ${version}`;
  return ok(`Published to ${server.url} as ${published.value.version}.${back}`);
}

async function agrees(url: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`Publish to ${url}? [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
