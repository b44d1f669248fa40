/** How an adapter reads what the catalog declares of a provider (`quirks`), by a schema of its own. */
import type * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { QuirkFault } from "./adapter.ts";

export interface QuirkReader<T> {
  /** The quirks of a provider, parsed once per catalog value. @returns a sentence with the path of the first fault. */
  readonly parse: (quirks: JsonObject) => Result<T, string>;
  /** Everything that is wrong with a provider's quirks. */
  readonly faults: (quirks: JsonObject) => readonly QuirkFault[];
}

/** The reader for one adapter. An unknown key is a fault where `schema` is strict. */
export function quirkReader<T>(schema: z.ZodType<T>): QuirkReader<T> {
  /** As large as the catalog, collected with it. Never stale: values do not change. */
  const parsed = new WeakMap<JsonObject, Result<T, string>>();
  return {
    parse(quirks) {
      const known = parsed.get(quirks);
      if (known !== undefined) return known;
      const read = schema.safeParse(quirks);
      const issue = read.error?.issues[0];
      const result = read.success
        ? ok(read.data)
        : err(`quirks${issue === undefined ? "" : `.${issue.path.join(".")}: ${issue.message}`}`);
      parsed.set(quirks, result);
      return result;
    },
    faults(quirks) {
      const issues = schema.safeParse(quirks).error?.issues ?? [];
      return issues.flatMap((issue) =>
        issue.code === "unrecognized_keys"
          ? issue.keys.map((key) => ({ path: [...issue.path, key], message: "is not a quirk of this adapter" }))
          : [{ path: issue.path, message: issue.message }],
      );
    },
  };
}
