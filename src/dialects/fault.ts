/**
 * The first fault of a refused body as one sentence that names the field and what it must be.
 * Paths are written as a programmer would: `messages[2].content[0].image_url.url`. Values are never repeated (they may
 * be prompts); only their JSON type is named.
 */
import type * as z from "zod";
import type { ErrorType, RouterError } from "../core/error.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Longest key shown in a path; keys are the client's. */
const KEY_CHARS_MAX = 64;

/** The `bad_request` for the first of `issues`, found in `body`. */
export function faultOf(issues: readonly Issue[], body: unknown): RouterError & { readonly kind: "bad_request" } {
  const first = issues[0];
  if (first === undefined) return { kind: "bad_request", message: "The body is not valid" };
  const { issue, path } = deepest(first, []);
  const where = pathText(path);
  const errorType = issue.code === "custom" ? (issue.params?.["errorType"] as ErrorType | undefined) : undefined; // set by our own checks only
  return {
    kind: "bad_request",
    message: `${where} ${sentenceOf(issue, received(body, path))}`,
    path: where,
    errorType,
  };
}

/** `messages[2].content`: what a path looks like to its reader. */
export function pathText(path: Path): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += `${text === "" ? "" : "."}${String(key).slice(0, KEY_CHARS_MAX)}`;
  }
  return text;
}

/** Of a union's branches the one that got furthest is what the client meant. */
function deepest(issue: Issue, before: Path): { issue: Issue; path: Path } {
  const path = [...before, ...issue.path];
  if (issue.code !== "invalid_union") return { issue, path };
  let best: { issue: Issue; path: Path } | undefined;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first === undefined) continue;
    const found = deepest(first, path);
    if (found.path.length > path.length && found.path.length > (best?.path.length ?? 0)) best = found;
    // A fault of the value itself, not of its type: this branch was meant, too.
    else if (best === undefined && first.code !== "invalid_type" && first.code !== "invalid_value") best = found;
  }
  return best ?? { issue, path };
}

function sentenceOf(issue: Issue, got: string): string {
  switch (issue.code) {
    case "invalid_type":
      return typeSentence(nounOf(issue.expected), got);
    case "invalid_value":
      return `must be ${oneOf(issue.values)}${got === "nothing" ? " and is required" : ""}`;
    case "too_big":
      return `must ${boundOf(issue.origin, "at most", String(issue.maximum))}`;
    case "too_small":
      return `must ${boundOf(issue.origin, "at least", String(issue.minimum))}`;
    case "invalid_union":
      return unionSentence(issue, got);
    case "invalid_key":
      return `has a key that is not allowed: ${issue.issues[0] === undefined ? "" : sentenceOf(issue.issues[0], "this")}`;
    case "custom":
      return issue.message;
    case "invalid_element":
    case "invalid_format":
    case "not_multiple_of":
    case "unrecognized_keys":
      return `is not valid: ${issue.message}`;
    default:
      return `is not valid: ${(issue satisfies never as Issue).message}`;
  }
}

function unionSentence(issue: Issue & { code: "invalid_union" }, got: string): string {
  const options: unknown = "options" in issue ? issue.options : undefined;
  const tail = got === "nothing" ? " and is required" : "";
  if (Array.isArray(options)) return `must be ${oneOf(options)}${tail}`;
  const nouns = new Set<string>();
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first?.code === "invalid_type") nouns.add(nounOf(first.expected));
    if (first?.code === "invalid_value") nouns.add(oneOf(first.values));
  }
  return typeSentence([...nouns].join(" or "), got);
}

function typeSentence(wanted: string, got: string): string {
  if (got === "nothing") return `is required: ${wanted}`;
  // "not a number" would puzzle whoever sent 1.5 for a whole one.
  return wanted === "a whole number" && got === "a number" ? `must be ${wanted}` : `must be ${wanted}, not ${got}`;
}

function oneOf(values: readonly unknown[]): string {
  // An optional discriminator counts "not there" among its values.
  const words = values.flatMap((value) => JSON.stringify(value) ?? []);
  return words.length === 1 ? (words[0] ?? "") : `one of ${words.join(", ")}`;
}

function boundOf(origin: string, word: string, bound: string): string {
  if (origin === "string") return `have ${word} ${bound} character${bound === "1" ? "" : "s"}`;
  if (origin === "array") return `have ${word} ${bound} entr${bound === "1" ? "y" : "ies"}`;
  return `be ${word} ${bound}`;
}

function nounOf(type: string): string {
  if (type === "int") return "a whole number";
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** The JSON type of what stands at `path`. */
function received(body: unknown, path: Path): string {
  let value: unknown = body;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return "nothing";
    value = (value as Record<PropertyKey, unknown>)[key]; // an own property of an object, as just checked
  }
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  return Array.isArray(value) ? "an array" : nounOf(typeof value);
}
