/**
 * Schemas as Gemini's `Schema` writes them (a part of OpenAPI 3.0: types in capitals, `nullable`, counts as text) in JSON
 * Schema. Keywords that mean the same in both are kept; those that only order or illustrate are dropped. Nesting is
 * limited before.
 * Source: https://ai.google.dev/api/caching#Schema (accessed 2026-11-21).
 */
import { isObject, type Json, type JsonObject } from "../core/json.ts";

/** Members that hold one schema, a list of them, or one by name. */
const ONE: ReadonlySet<string> = new Set(["items", "additionalProperties"]);
const MANY: ReadonlySet<string> = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const NAMED: ReadonlySet<string> = new Set(["properties", "defs", "$defs"]);
/** 64-bit counts, which the API writes as text. */
const COUNTS: ReadonlySet<string> = new Set([
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
  "minProperties",
  "maxProperties",
]);
const DROPPED: ReadonlySet<string> = new Set(["nullable", "propertyOrdering", "property_ordering", "example"]);

/** `schema` as JSON Schema; snake-case keywords (`any_of`) included. */
export function jsonSchemaOf(schema: JsonObject): JsonObject {
  const out: Record<string, Json> = {};
  for (const [given, value] of Object.entries(schema)) {
    const key = given.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
    if (DROPPED.has(key) || value === null) continue;
    // The API's way to say that a string is one of `enum`.
    if (key === "format" && value === "enum") continue;
    out[key] = memberOf(key, value);
  }
  return schema["nullable"] === true ? nullable(out) : out;
}

function memberOf(key: string, value: Json): Json {
  if (key === "type") return typeof value === "string" ? value.toLowerCase() : value;
  if (ONE.has(key) && isJsonObject(value)) return jsonSchemaOf(value);
  if (MANY.has(key) && Array.isArray(value)) return (value as readonly Json[]).map(schemaOrValue);
  if (NAMED.has(key) && isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, schemaOrValue(schema)]));
  }
  if (COUNTS.has(key) && typeof value === "string" && /^\d{1,15}$/.test(value)) return Number(value);
  return value;
}

function schemaOrValue(value: Json): Json {
  return isJsonObject(value) ? jsonSchemaOf(value) : value;
}

function nullable(schema: Record<string, Json>): JsonObject {
  const { type } = schema;
  if (typeof type !== "string") return { anyOf: [schema, { type: "null" }] };
  const choices = schema["enum"];
  return {
    ...schema,
    type: [type, "null"],
    ...(Array.isArray(choices) ? { enum: [...(choices as readonly Json[]), null] } : {}),
  };
}

function isJsonObject(value: Json): value is JsonObject {
  return isObject(value);
}
