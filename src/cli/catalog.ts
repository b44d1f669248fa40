/**
 * `npm run catalog -- validate|publish|show [file]`, `import <file or URL>`, `rollback <version>`: checks a catalog file,
 * publishes it to the server, shows what the server has live with its history, takes over a published list of models
 * (import-catalog.ts), or makes an earlier version live again. Without a file, the default catalog of the build is meant.
 * Exit code 1 when it is refused.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseCatalog } from "../catalog/parse.ts";
import { parseJson } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { ADAPTERS } from "../providers/registry.ts";
import { build } from "./build.ts";
import { readEnvironment } from "./environment.ts";
import { IMPORT_USAGE, importCatalog } from "./import-catalog.ts";
import { CATALOG } from "./paths.ts";
import { publishCatalog } from "./publish-catalog.ts";
import { chooseServer } from "./server.ts";

const USAGE = `Usage: npm run catalog -- validate [file] | publish [file] | show | ${IMPORT_USAGE} | rollback <version>`;

async function main(command: string | undefined, args: readonly string[]): Promise<Result<string, string>> {
  const [operand] = args;
  switch (command) {
    case "validate":
      return validate(await textOf(operand));
    case "publish":
      return publish(await textOf(operand));
    case "show":
      return show();
    case "import":
      return importCatalog(args);
    case "rollback":
      return operand === undefined ? err(USAGE) : rollback(operand);
    default:
      return err(USAGE);
  }
}

/** The catalog's text: of `file`, or of the default one, built first if need be. */
async function textOf(file: string | undefined): Promise<Result<string, string>> {
  if (file === undefined) {
    const built = await build();
    if (!built.ok) return built;
  }
  // npm runs scripts in the checkout; a relative path is meant from where the operator is.
  const from = process.env["INIT_CWD"] ?? process.cwd();
  try {
    return ok(readFileSync(file === undefined ? CATALOG : path.resolve(from, file), "utf8"));
  } catch (error) {
    return err(`The catalog cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function validate(text: Result<string, string>): Result<string, string> {
  if (!text.ok) return text;
  const json = parseJson(text.value);
  if (json === undefined) return err("The catalog is not JSON.");
  const allowsPrivate = readEnvironment(process.env)["WAYPOST_PRIVATE_UPSTREAMS"] === "1";
  const parsed = parseCatalog(json, ADAPTERS, { allowsPrivate });
  if (!parsed.ok) return err(parsed.error.map((fault) => `${fault.path}: ${fault.message}`).join("\n"));
  const { providers, models } = parsed.value;
  const endpoints = models.reduce((sum, model) => sum + model.endpoints.length, 0);
  return ok(`Valid: ${providers.length} providers, ${models.length} models, ${endpoints} endpoints.`);
}

async function publish(text: Result<string, string>): Promise<Result<string, string>> {
  const valid = validate(text);
  if (!text.ok || !valid.ok) return valid;
  const server = chooseServer();
  if (!server.ok) return server;
  const answer = await publishCatalog(server.value.api, text.value);
  return answer.ok ? ok(`Published to ${server.value.url}: ${JSON.stringify(answer.value)}`) : answer;
}

async function show(): Promise<Result<string, string>> {
  const server = chooseServer();
  if (!server.ok) return server;
  const answer = await server.value.api.call("GET", "/admin/catalog");
  return answer.ok ? ok(JSON.stringify(answer.value, null, 2)) : answer;
}

async function rollback(version: string): Promise<Result<string, string>> {
  const server = chooseServer();
  if (!server.ok) return server;
  const answer = await server.value.api.call("POST", "/admin/catalog/rollback", { version });
  return answer.ok ? ok(`Live again at ${server.value.url}: ${JSON.stringify(answer.value)}`) : answer;
}

const result = await main(process.argv[2], process.argv.slice(3));
if (result.ok) {
  console.log(result.value);
} else {
  console.error(result.error);
  process.exitCode = 1;
}
