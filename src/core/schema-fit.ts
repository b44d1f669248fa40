/**
 * Whether a value fits a JSON Schema, as far as that is cheap to say: `type`, `required`, `properties`, `items`,
 * `additionalProperties`, `enum`, `const`, `allOf`, `anyOf` and `oneOf` (as `anyOf`), with the meaning of draft 7, and
 * `nullable` with that of OpenAPI 3.0. Everything else counts as satisfied, `$ref` too, and so does what lies deeper or
 * wider than the bounds: it says no only where it is sure. Patterns are never run, since their text is a client's: an
 * expression can take an isolate minutes. Pure; never throws.
 * Limits: NODES_MAX values and schemas compared, DEPTH_MAX levels.
 */
import { isObject, type Json } from "./json.ts";

const NODES_MAX = 2_000;
const DEPTH_MAX = 32;
/** Longest `enum` that is looked through. */
const ENUM_MAX = 1_000;

/** False where `value` certainly does not fit `schema`. */
export function fitsSchema(value: unknown, schema: Json): boolean {
  return fits(value, schema, { nodesLeft: NODES_MAX }, DEPTH_MAX);
}

interface Budget {
  nodesLeft: number;
}

function fits(value: unknown, schema: unknown, budget: Budget, depth: number): boolean {
  if (depth === 0 || budget.nodesLeft-- <= 0) return true;
  if (typeof schema === "boolean") return schema;
  // Beside a reference nothing else counts, and references are not followed.
  if (!isObject(schema) || "$ref" in schema) return true;
  if (value === null && schema["nullable"] === true) return true;
  return (
    fitsType(value, schema["type"]) &&
    fitsValues(value, schema) &&
    fitsParts(value, schema, budget, depth - 1) &&
    fitsObject(value, schema, budget, depth - 1) &&
    fitsItems(value, schema["items"], budget, depth - 1)
  );
}

function fitsType(value: unknown, type: unknown): boolean {
  if (typeof type === "string") return isOfType(value, type);
  return (
    !Array.isArray(type) || type.length === 0 || type.some((one) => typeof one !== "string" || isOfType(value, one))
  );
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "string":
    case "boolean":
    case "number":
      return typeof value === type;
    case "integer":
      return Number.isInteger(value);
    case "null":
      return value === null;
    default:
      return true;
  }
}

/** `enum` and `const`, of plain values; objects and lists in them are taken to be the same. */
function fitsValues(value: unknown, schema: Readonly<Record<string, unknown>>): boolean {
  const { enum: values, const: only } = schema;
  if (only !== undefined && !isSame(value, only)) return false;
  return !Array.isArray(values) || values.length > ENUM_MAX || values.some((one) => isSame(value, one));
}

function isSame(value: unknown, other: unknown): boolean {
  return (
    value === other || (typeof value === "object" && value !== null && typeof other === "object" && other !== null)
  );
}

function fitsParts(value: unknown, schema: Readonly<Record<string, unknown>>, budget: Budget, depth: number): boolean {
  const { allOf, anyOf, oneOf } = schema;
  if (Array.isArray(allOf) && !allOf.every((part) => fits(value, part, budget, depth))) return false;
  for (const parts of [anyOf, oneOf]) {
    if (Array.isArray(parts) && parts.length > 0 && !parts.some((part) => fits(value, part, budget, depth)))
      return false;
  }
  return true;
}

function fitsObject(value: unknown, schema: Readonly<Record<string, unknown>>, budget: Budget, depth: number): boolean {
  if (!isObject(value)) return true;
  const { required, additionalProperties: others } = schema;
  if (Array.isArray(required) && required.some((name) => typeof name === "string" && !Object.hasOwn(value, name))) {
    return false;
  }
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  // Names that a pattern admits are not known here.
  const isClosed = (others === false || isObject(others)) && schema["patternProperties"] === undefined;
  for (const [name, member] of Object.entries(value)) {
    if (budget.nodesLeft <= 0) return true;
    if (Object.hasOwn(properties, name)) {
      if (!fits(member, properties[name], budget, depth)) return false;
    } else if (isClosed && !fits(member, others, budget, depth)) return false;
  }
  return true;
}

function fitsItems(value: unknown, items: unknown, budget: Budget, depth: number): boolean {
  if (!Array.isArray(value) || !isObject(items)) return true;
  for (const item of value) {
    if (budget.nodesLeft <= 0) return true;
    if (!fits(item, items, budget, depth)) return false;
  }
  return true;
}
