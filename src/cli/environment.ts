/**
 * The environment of the tools: the process's own variables, then what `.dev.vars` adds (the file that `wrangler dev`
 * reads; WAYPOST_DEV_VARS names another one). An empty value counts as absent.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { ROOT } from "./paths.ts";

export type Environment = Readonly<Record<string, string>>;

/** Variables of the process, completed by those of `.dev.vars`. */
export function readEnvironment(processEnv: NodeJS.ProcessEnv): Environment {
  const file = processEnv["WAYPOST_DEV_VARS"] ?? path.join(ROOT, ".dev.vars");
  const fromFile = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
  const entries = [...Object.entries(fromFile), ...Object.entries(processEnv)].filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  return Object.fromEntries(entries);
}

/** The prefix of a provider's variables: its slug in capitals, everything but letters and digits as `_`. */
export function variablePrefix(slug: string): string {
  return slug.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}
