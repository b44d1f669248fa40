/**
 * Bodies of our own API (keys, operator): small, known in full, and strict. An unknown field is a 400 that names it and
 * says which fields there are, so that a typing error never passes for success.
 */
import type * as z from "zod";
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import { faultOf, pathText } from "../dialects/fault.ts";
import { readJson } from "./body.ts";

/** @returns `bad_request` with the path of the first fault, `too_large`, `overloaded`. */
export async function readStrict<Shape extends z.ZodRawShape>(
  request: Request,
  schema: z.ZodObject<Shape>,
): Promise<Result<z.infer<z.ZodObject<Shape>>, RouterError>> {
  const body = await readJson(request);
  if (!body.ok) return body;
  const { value } = body.value;
  body.value.release();
  const parsed = schema.safeParse(value);
  return parsed.success ? ok(parsed.data) : err(refusal(parsed.error.issues, value, Object.keys(schema.shape)));
}

function refusal(issues: readonly z.core.$ZodIssue[], body: unknown, known: readonly string[]): RouterError {
  for (const issue of issues) {
    const key = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
    if (key === undefined) continue;
    const path = pathText([...issue.path, key]);
    const remedy =
      issue.path.length === 0 ? `Remove it; the fields of this body are ${known.join(", ")}.` : "Remove it.";
    return { kind: "bad_request", message: `${path} is not a field of this body. ${remedy}`, path };
  }
  const fault = faultOf(issues, body);
  return fault.path === "" ? { kind: "bad_request", message: `The body ${fault.message.trim()}` } : fault;
}
