/**
 * Reasoning in parts of Gemini's format. Its own signatures go through untouched, byte by byte. What belongs to another
 * provider (a signature that only that one can read, an encrypted entry, where its text came from) travels packed inside a
 * `thoughtSignature`, so that a client that sends parts back as they came loses nothing of it. Packed text is base64 of
 * JSON: some clients hold signatures as bytes and send them back in the URL-safe alphabet.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import { isObject, numberOf, parseJson, stringOf } from "../core/json.ts";

/** Who can read the signatures of Gemini's models. */
export const GEMINI_FORMAT = "google-gemini-v1";
/** What packed entries begin with. A multiple of three bytes: their base64 has a fixed beginning, too. */
const HEAD = "waypost-reasoning/1:\n";
const HEAD_BASE64 = btoa(HEAD);

/** `detail` as the text of a `thoughtSignature`. */
export function packReasoning(detail: ReasoningDetail): string {
  const bytes = new TextEncoder().encode(HEAD + JSON.stringify(detail));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** What was packed; undefined for a signature that is the model's own. */
export function unpackReasoning(signature: string): ReasoningDetail | undefined {
  const standard = signature.replaceAll("-", "+").replaceAll("_", "/");
  if (!standard.startsWith(HEAD_BASE64)) return undefined;
  const value = parseJson(decoded(standard).slice(HEAD.length));
  if (!isObject(value)) return undefined;
  const type = value["type"];
  if (type !== "reasoning.text" && type !== "reasoning.summary" && type !== "reasoning.encrypted") return undefined;
  const [text, summary, data] = ["text", "summary", "data"].map((name) => stringOf(value[name]));
  const index = numberOf(value["index"]);
  return {
    type,
    ...(text === undefined ? {} : { text }),
    ...nullishOf(value, "signature"),
    ...(summary === undefined ? {} : { summary }),
    ...(data === undefined ? {} : { data }),
    ...nullishOf(value, "id"),
    ...nullishOf(value, "format"),
    ...(index === undefined ? {} : { index }),
  };
}

function nullishOf(value: Record<string, unknown>, name: "signature" | "id" | "format"): Partial<ReasoningDetail> {
  const held = value[name];
  return held === null || typeof held === "string" ? { [name]: held } : {};
}

function decoded(base64: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
  } catch {
    return "";
  }
}
