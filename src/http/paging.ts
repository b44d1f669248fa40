/** `offset` and `limit` of lists that come in pages. */
import * as z from "zod";
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { AppContext } from "./context.ts";

const PAGE_STANDARD = 50;
const PAGE_MAX = 100;

export interface Paging {
  readonly offset: number;
  readonly limit: number;
}

/** The parameters, for the document; `what` are the things listed. */
export function pagingQuery(what: string): z.ZodObject {
  return z.object({
    offset: z.string().optional().describe(`${what} to leave out at the beginning; 0 when absent`),
    limit: z.string().optional().describe(`${what} on a page, 1 to ${PAGE_MAX}; ${PAGE_STANDARD} when absent`),
  });
}

/** @returns `bad_request` for what is no whole number, or out of range. */
export function pagingOf(context: AppContext): Result<Paging, RouterError> {
  const offset = countIn(context, "offset", 0, 0, Number.MAX_SAFE_INTEGER);
  if (!offset.ok) return offset;
  const limit = countIn(context, "limit", PAGE_STANDARD, 1, PAGE_MAX);
  return limit.ok ? ok({ offset: offset.value, limit: limit.value }) : limit;
}

function countIn(
  context: AppContext,
  name: string,
  standard: number,
  least: number,
  most: number,
): Result<number, RouterError> {
  const text = context.req.query(name);
  const value = text === undefined ? standard : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return ok(value);
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return err({ kind: "bad_request", message: `${name} must be a whole number ${range}`, path: name });
}
