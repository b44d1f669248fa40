/**
 * What providers of the Responses format do differently, as data: the catalog's `quirks` of a provider, parsed once per
 * catalog value. Names that the OpenAI-compatible family has too mean the same. An absent key means: as OpenAI's own API
 * does it. An unknown key is a fault.
 */
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { OpenAiQuirksSchema } from "./openai-quirks.ts";
import { quirkReader } from "./quirks.ts";

const family = OpenAiQuirksSchema.shape;

const ResponsesQuirksSchema = z.strictObject({
  /** Path after the base URL. */
  responses_path: z.string().regex(/^\//, "must begin with a slash").max(200).default("/responses"),
  credential_parts: family.credential_parts,
  auth: family.auth,
  extra_headers: family.extra_headers,
  extra_body: family.extra_body,
  unsupported: family.unsupported,
  pass_extra: family.pass_extra,
  strict_tools: family.strict_tools,
  user_field: z.enum(["user", "safety_identifier", "none"]).default("safety_identifier"),
  reasoning_efforts: family.reasoning_efforts,
  /** Who can read the encrypted reasoning of this provider; entries of others are left out, with a warning. */
  reasoning_format: z.string().min(1).max(64).default("openai-responses-v1"),
  /** The summary that is asked for where reasoning is wanted and the client names none. Absent: none is asked for. */
  default_summary: z.enum(["auto", "concise", "detailed"]).optional(),
  /** The provider reads `prompt_cache_breakpoint` on content parts; elsewhere it is left out, with a warning. */
  cache_breakpoints: z.boolean().default(false),
  /** Kinds that must stand in the request: the provider fetches no addresses of them. */
  inline_media: z.array(z.enum(["image", "video", "file"])).default([]),
  inline_bytes_max: family.inline_bytes_max,
});

export type ResponsesQuirks = z.infer<typeof ResponsesQuirksSchema>;

/** `parse`: the quirks of a provider, or what is wrong with them first; `faults`: all that is. */
export const { parse: parseResponsesQuirks, faults: responsesQuirkFaults } = quirkReader(ResponsesQuirksSchema);

const DEFAULT_QUIRKS: ResponsesQuirks = ResponsesQuirksSchema.parse({});

/** The quirks of a provider for reading its answers; faulty ones were refused when the request was encoded. */
export function readingResponsesQuirks(quirks: JsonObject): ResponsesQuirks {
  const result = parseResponsesQuirks(quirks);
  return result.ok ? result.value : DEFAULT_QUIRKS;
}

/** What `familyQuirks` made of a catalog value; as large as the catalog, collected with it. */
const shared = new WeakMap<JsonObject, JsonObject>();

/** The quirks that mean the same in the OpenAI-compatible family, for what is done in its forms: errors, usage, tasks. */
export function familyQuirks(quirks: JsonObject): JsonObject {
  const known = shared.get(quirks);
  if (known !== undefined) return known;
  const { auth, credential_parts, extra_headers } = readingResponsesQuirks(quirks);
  const own: JsonObject = { auth, credential_parts, extra_headers };
  shared.set(quirks, own);
  return own;
}
