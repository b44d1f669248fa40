/**
 * The house rules that the linter has no rule for, checked over the text of src/: how zod is imported, file names, the
 * doc block at each head, no barrels, no classes but Durable Objects, no provider's name outside its places.
 * `npm run lint` runs it after oxlint. Usage: node src/cli/house.ts [folder].
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { isObject, parseJson } from "../core/json.ts";
import { CATALOG, ROOT } from "./paths.ts";

export interface SourceFile {
  /** Relative to the checkout, with slashes. */
  readonly path: string;
  readonly text: string;
}

interface Rule {
  readonly says: string;
  /** True when the file breaks the rule. */
  readonly isBroken: (file: SourceFile, providers: readonly string[]) => boolean;
}

const NAMES_NOT_USED = /(^|-)(util|utils|helper|helpers|manager|service|data|info|process|common|misc)$/;
/** Where a provider may be named: its adapters, what clients speak, catalog data and what makes it. */
const MAY_NAME_PROVIDERS = /^src\/(providers|dialects|catalog\/(build|data|overlay))\//;
/** Names that are words of ours too, or of a format that a client speaks. */
const ALSO_WORDS = new Set(["openai", "anthropic", "waypost"]);

const RULES: readonly Rule[] = [
  {
    says: 'import zod as `import * as z from "zod"`: the named import is four times as large in the bundle',
    isBroken: ({ text }) => /^import (?!\* as z from|type )[^;]*from "zod(\/[^"]*)?";/m.test(text),
  },
  {
    says: "file and folder names are kebab-case",
    isBroken: ({ path: file }) => file.split("/").some((part) => !/^[a-z0-9-]+(\.[a-z0-9]+)*$/.test(part)),
  },
  {
    says: "names such as util, helper, manager, service, data, info, process, common, misc say nothing",
    isBroken: ({ path: file }) => NAMES_NOT_USED.test(path.basename(file).split(".")[0] ?? ""),
  },
  {
    says: "each file begins with a doc block",
    isBroken: ({ path: file, text }) => file.endsWith(".ts") && !/^(#!.*\n)?(\/\/\/.*\n)*\/\*\*/.test(text),
  },
  {
    says: "no barrels: import the file that defines the thing",
    isBroken: ({ path: file, text }) =>
      file.endsWith(".ts") && (file.endsWith("/index.ts") || /^export \* /m.test(text)),
  },
  {
    says: "no classes but Durable Objects and WorkerEntrypoints",
    isBroken: ({ text }) =>
      [...text.matchAll(/^(?:export )?(?:default )?(?:abstract )?class (.*)$/gm)].some(
        ([, declaration]) => !/^\w+ extends (DurableObject|WorkerEntrypoint)\b/.test(declaration ?? ""),
      ),
  },
  {
    says: "no provider's name outside providers/, dialects/, catalog data and tests",
    isBroken: ({ path: file, text }, providers) =>
      !MAY_NAME_PROVIDERS.test(file) &&
      !file.startsWith("src/cli/") &&
      providers.some((slug) => text.includes(`"${slug}"`) || text.includes(`'${slug}'`)),
  },
];

/** One line per broken rule: `file: what the rule says`. `providers` are the slugs of the catalog. */
export function checkHouse(files: readonly SourceFile[], providers: readonly string[]): readonly string[] {
  const names = providers.filter((slug) => !ALSO_WORDS.has(slug));
  return files.flatMap((file) =>
    RULES.filter((rule) => rule.isBroken(file, names)).map((rule) => `${file.path}: ${rule.says}`),
  );
}

/** The files of `folder` under the checkout, without what is generated. */
export function readSources(folder: string): readonly SourceFile[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "env.d.ts")
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ path: path.relative(ROOT, file).replaceAll(path.sep, "/"), text: readFileSync(file, "utf8") }))
    .sort((one, other) => one.path.localeCompare(other.path));
}

/** Slugs of the built catalog's providers; none before the first build. */
export function providerSlugs(): readonly string[] {
  const catalog = existsSync(CATALOG) ? parseJson(readFileSync(CATALOG, "utf8")) : undefined;
  if (!isObject(catalog) || !Array.isArray(catalog["providers"])) return [];
  return catalog["providers"].map((provider: unknown) => (isObject(provider) ? String(provider["slug"]) : ""));
}

if (import.meta.main) {
  const faults = checkHouse(readSources("src"), providerSlugs());
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}
