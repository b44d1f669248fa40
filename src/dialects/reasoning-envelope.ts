/**
 * Reasoning in formats that have one opaque field for it. What the field's own provider wrote stands there as it is; what
 * another one wrote is wrapped, so that it comes back with everything that says whose it is, through clients that keep
 * nothing but the field: `wp1.` and the entries as base64url of their JSON. Byte-exact both ways; a text that is no
 * envelope is never changed. An envelope is the client's own word, like the entries themselves: nothing trusts it.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";

const PREFIX = "wp1.";
/** Entries of one envelope. */
const ENTRIES_MAX = 256;
/** Bytes per call of String.fromCharCode, whose arguments are limited. */
const BYTES_PER_CALL = 8_192;

const TYPES: ReadonlySet<unknown> = new Set<ReasoningDetail["type"]>([
  "reasoning.text",
  "reasoning.summary",
  "reasoning.encrypted",
]);

/** The entries as one opaque text. */
export function wrapReasoning(details: readonly ReasoningDetail[]): string {
  const base64 = base64OfText(JSON.stringify(details.map((detail) => ({ ...detail, index: undefined }))));
  return PREFIX + base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The base64 of a text's UTF-8. */
export function base64OfText(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let binary = "";
  for (let at = 0; at < bytes.length; at += BYTES_PER_CALL) {
    binary += String.fromCharCode(...bytes.subarray(at, at + BYTES_PER_CALL));
  }
  return btoa(binary);
}

/** The entries in `text`; undefined when it is no envelope of ours. */
export function unwrapReasoning(text: string): readonly ReasoningDetail[] | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const value = parseJson(decoded(text.slice(PREFIX.length)) ?? "");
  if (!Array.isArray(value) || value.length > ENTRIES_MAX) return undefined;
  const details = value.map(detailOf);
  return details.every((detail) => detail !== undefined) ? details : undefined;
}

function decoded(base64: string): string | undefined {
  try {
    const binary = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function detailOf(value: unknown): ReasoningDetail | undefined {
  if (!isObject(value) || !TYPES.has(value["type"])) return undefined;
  const detail: Record<string, unknown> = { type: value["type"] };
  for (const name of ["text", "signature", "summary", "data", "id", "format"]) {
    const text = stringOf(value[name]);
    if (text !== undefined) detail[name] = text;
  }
  const index = numberOf(value["index"]);
  if (index !== undefined) detail["index"] = index;
  return detail as unknown as ReasoningDetail; // its members were just checked one by one
}
