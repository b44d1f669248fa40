/**
 * JSON schemas that the grammars of Claude and Bedrock enforce, for answers and for strict tools. They refuse with 400 what
 * they cannot hold: bounds of numbers (which zod writes for every integer), lengths, patterns, open objects. Bounds are put
 * into the description, where the model reads them, as Anthropic's own SDK does, and are named as not enforced; what no
 * grammar holds at all (open objects, tuples, recursion, references elsewhere) is null, so that the schema goes another
 * way. Nesting is limited before. Pure.
 * Sources: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations and
 * lib/transform-json-schema of @anthropic-ai/sdk 1.12.0 (accessed 2026-11-21).
 */
import { isObject, type Json, type JsonObject } from "../core/json.ts";

export interface EnforcedSchema {
  readonly schema: JsonObject;
  /** Keywords that stand in a description and are not enforced. */
  readonly loosened: readonly string[];
}

const KEPT: ReadonlySet<string> = new Set(["type", "title", "required", "enum", "const"]);
/** They say nothing of a value, or are said otherwise. */
const SILENT: ReadonlySet<string> = new Set(["$schema", "$id", "$comment", "additionalProperties", "description"]);
/** They only describe: moved, and nobody misses them. */
const NOTES: ReadonlySet<string> = new Set(["default", "examples", "deprecated", "readOnly", "writeOnly"]);
const UNIONS: Readonly<Record<string, string>> = { anyOf: "anyOf", oneOf: "anyOf", allOf: "allOf" };
const FORMATS: ReadonlySet<unknown> = new Set(
  "date-time time date duration email hostname uri ipv4 ipv6 uuid".split(" "),
);
/** Members whose names are the model's own choice, and tuples. */
const OPEN: readonly string[] = ["patternProperties", "propertyNames", "unevaluatedProperties", "prefixItems"];
const SPEAKING: readonly string[] = ["type", "enum", "const", ...Object.keys(UNIONS)];

interface Walk {
  readonly loosened: Set<string>;
  /** What each definition refers to, by its pointer; "" is the schema itself. */
  readonly refs: Map<string, Set<string>>;
}

/** `schema` as it can be enforced; null when it cannot. */
export function enforcedSchema(schema: JsonObject): EnforcedSchema | null {
  const state: Walk = { loosened: new Set(), refs: new Map() };
  const walked = walk(schema, "", state);
  if (walked === null || isCyclic(state.refs)) return null;
  return { schema: walked, loosened: [...state.loosened] };
}

/** The warning that goes with what was loosened; null when nothing was. */
export function looseningOf(what: string, { loosened }: EnforcedSchema): string | null {
  return loosened.length === 0 ? null : `${what}: ${loosened.join(", ")} became part of a description, not enforced.`;
}

function walk(schema: Json, within: string, state: Walk): JsonObject | null {
  if (!isJsonObject(schema)) return null;
  const isReference = schema["$ref"] !== undefined;
  if (isReference ? !refers(schema["$ref"], within, state) : !isClosed(schema)) return null;
  const out: Record<string, Json> = {};
  const moved: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === "$ref") out[key] = value;
    else if (key === "$defs" || key === "definitions" || (key === "properties" && !isReference)) {
      const members = walkNamed(key, value, within, state);
      if (members === null) return null;
      out[key] = members;
    } else if (isReference || SILENT.has(key) || isWholeRange(key, value)) continue;
    else if (Object.hasOwn(UNIONS, key) || key === "items") {
      const walked = key === "items" ? walk(value, within, state) : walkAll(value, within, state);
      if (walked === null) return null;
      out[UNIONS[key] ?? key] = walked;
    } else if (isKept(key, value)) out[key] = value;
    else {
      moved.push(`${key}: ${JSON.stringify(value)}`);
      if (!NOTES.has(key)) state.loosened.add(key);
    }
  }
  if (isReference) return out;
  if (hasType(schema, "object")) out["additionalProperties"] = false;
  const described = [schema["description"], moved.length === 0 ? undefined : `{${moved.join(", ")}}`];
  const description = described.filter((text) => typeof text === "string").join("\n\n");
  return description === "" ? out : { ...out, description };
}

function walkNamed(key: string, value: Json, within: string, state: Walk): JsonObject | null {
  if (!isJsonObject(value)) return null;
  const out: Record<string, Json> = {};
  for (const [name, schema] of Object.entries(value)) {
    const walked = walk(schema, key === "properties" ? within : `#/${key}/${name}`, state);
    if (walked === null) return null;
    out[name] = walked;
  }
  return out;
}

function walkAll(value: Json, within: string, state: Walk): JsonObject[] | null {
  if (!Array.isArray(value)) return null;
  const walked = (value as readonly Json[]).map((schema) => walk(schema, within, state));
  const held = walked.filter((schema) => schema !== null);
  return held.length === walked.length ? held : null;
}

/** Notes a reference to a definition; false for any other. */
function refers(ref: Json | undefined, within: string, { refs }: Walk): boolean {
  if (typeof ref !== "string" || !/^#\/(\$defs|definitions)\/[^/]+$/.test(ref)) return false;
  const known = refs.get(within) ?? new Set();
  refs.set(within, known.add(ref));
  return true;
}

function isCyclic(refs: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    for (const next of refs.get(from) ?? []) {
      if (next === to) return true;
      if (!seen.has(next) && reaches(next, to, seen.add(next))) return true;
    }
    return false;
  };
  return [...refs.keys()].some((name) => reaches(name, name, new Set()));
}

/** Whether it names all that a value may have. */
function isClosed(schema: JsonObject): boolean {
  if (OPEN.some((key) => Object.hasOwn(schema, key))) return false;
  if (!SPEAKING.some((key) => schema[key] !== undefined)) return false;
  if (schema["anyOf"] !== undefined && schema["oneOf"] !== undefined) return false;
  const { enum: choices, const: only, properties, additionalProperties: more } = schema;
  const literals: readonly Json[] = [...(Array.isArray(choices) ? (choices as readonly Json[]) : []), only ?? null];
  if (literals.some((literal) => typeof literal === "object" && literal !== null)) return false;
  if (!hasType(schema, "object")) return true;
  return isJsonObject(properties) && !isJsonObject(more) && (more !== true || Object.keys(properties).length > 0);
}

function isKept(key: string, value: Json): boolean {
  return (
    KEPT.has(key) || (key === "format" && FORMATS.has(value)) || (key === "minItems" && (value === 0 || value === 1))
  );
}

/** The bounds that generators write for any whole number. */
function isWholeRange(key: string, value: Json): boolean {
  return (
    (key === "minimum" && value === Number.MIN_SAFE_INTEGER) || (key === "maximum" && value === Number.MAX_SAFE_INTEGER)
  );
}

function hasType({ type }: JsonObject, name: string): boolean {
  return type === name || (Array.isArray(type) && (type as readonly Json[]).includes(name));
}

function isJsonObject(value: Json | undefined): value is JsonObject {
  return isObject(value);
}
