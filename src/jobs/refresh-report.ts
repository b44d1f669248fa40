/** What a scheduled refresh of the catalog came to: kept beside the catalog, read by the operator. */
import * as z from "zod";
import { parseJson } from "../core/json.ts";

/** Its key in the catalog's store; publishing neither names nor deletes it. */
export const REFRESH_KEY = "refresh";
/** Names of held endpoints in one report. */
export const HELD_SHOWN_MAX = 100;

export const RefreshReport = z.object({
  at: z.string(),
  /** Without its query, which may hold a key. */
  url: z.string(),
  outcome: z
    .enum(["published", "partly", "unchanged", "refused", "failed"])
    .describe("`partly`: more values are to be written, by the next run; `refused`: the list cannot be believed"),
  message: z.string(),
  version: z.string().nullable().describe("What is live because of it"),
  imported: z.int(),
  refused: z.int().describe("Entries of the list that were left out"),
  models_added: z.int(),
  models_removed: z.int(),
  prices_changed: z.int(),
  held: z.array(z.string()).describe("Endpoints whose price would move by more than a fifth: left as they were"),
});
export type RefreshReport = z.infer<typeof RefreshReport>;

/** Null for what is no report. */
export function readReport(text: string | null): RefreshReport | null {
  return RefreshReport.safeParse(parseJson(text ?? "")).data ?? null;
}
