/** A value that fits is never called wrong; one that certainly does not is. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Json, JsonObject } from "../../../src/core/json.ts";
import { fitsSchema } from "../../../src/core/schema-fit.ts";

const PERSON: JsonObject = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: ["integer", "null"] },
    tags: { type: "array", items: { type: "string" } },
    home: { type: "object", properties: { city: { enum: ["Bonn", "Köln", null] } }, required: ["city"] },
  },
  required: ["name"],
  additionalProperties: false,
};

test.each<{ name: string; value: Json; schema: Json; is: boolean }>([
  { name: "what it should be", value: { name: "A", age: 3, tags: ["x"] }, schema: PERSON, is: true },
  { name: "a missing member", value: { age: 3 }, schema: PERSON, is: false },
  { name: "a member that only its prototype has", value: {}, schema: { required: ["toString"] }, is: false },
  { name: "a member of another type", value: { name: 7 }, schema: PERSON, is: false },
  { name: "half an integer", value: { name: "A", age: 3.5 }, schema: PERSON, is: false },
  { name: "one type of several", value: { name: "A", age: null }, schema: PERSON, is: true },
  { name: "a wrong item", value: { name: "A", tags: ["x", 1] }, schema: PERSON, is: false },
  { name: "a member too many", value: { name: "A", size: 1 }, schema: PERSON, is: false },
  { name: "a member too many, nested", value: { name: "A", home: { city: "Bonn", zip: 1 } }, schema: PERSON, is: true },
  { name: "none of the values", value: { name: "A", home: { city: "Ulm" } }, schema: PERSON, is: false },
  { name: "text where an object is due", value: "{}", schema: PERSON, is: false },
  { name: "a list where an object is due", value: [], schema: { type: "object" }, is: false },
  { name: "an integer where a number is due", value: 3, schema: { type: "number" }, is: true },
  { name: "nothing but null", value: 0, schema: { type: "null" }, is: false },
  { name: "null that is allowed", value: null, schema: { type: "string", nullable: true }, is: true },
  { name: "the constant", value: "a", schema: { const: "a" }, is: true },
  { name: "another constant", value: "b", schema: { const: "a" }, is: false },
  { name: "an object among the values", value: { a: 1 }, schema: { enum: [{ a: 2 }] }, is: true },
  { name: "one of the parts", value: 1, schema: { anyOf: [{ type: "string" }, { type: "integer" }] }, is: true },
  { name: "none of the parts", value: true, schema: { oneOf: [{ type: "string" }, { type: "integer" }] }, is: false },
  { name: "not all of the parts", value: {}, schema: { allOf: [{ type: "object" }, { required: ["a"] }] }, is: false },
  { name: "others of a type", value: { a: "x" }, schema: { additionalProperties: { type: "integer" } }, is: false },
  {
    name: "others that a pattern may admit",
    value: { a: "x" },
    schema: { patternProperties: { "^a": {} }, additionalProperties: false },
    is: true,
  },
  { name: "nothing", value: 1, schema: false, is: false },
  { name: "anything", value: 1, schema: true, is: true },
  { name: "a reference, whatever stands beside it", value: 1, schema: { $ref: "#/a", type: "string" }, is: true },
  { name: "a type that is not known", value: 1, schema: { type: "INTEGER" }, is: true },
  { name: "a schema that is none", value: 1, schema: "object", is: true },
  {
    name: "keywords in the wrong form",
    value: {},
    schema: { required: "a", properties: [], enum: 1, anyOf: {} },
    is: true,
  },
])("$name: $is", ({ value, schema, is }) => {
  expect(fitsSchema(value, schema)).toBe(is);
});

test("a pattern is never run, however long it would take", () => {
  const schema = { type: "string", pattern: "^(a+)+$" };
  expect(fitsSchema(`${"a".repeat(60)}b`, schema)).toBe(true);
});

test("what lies beyond the bounds fits", () => {
  let value: Json = "deep";
  let schema: JsonObject = { type: "integer" };
  for (let level = 0; level < 40; level++) {
    value = { a: value };
    schema = { properties: { a: schema } };
  }
  expect(fitsSchema(value, schema)).toBe(true);
  const wide = [...Array.from({ length: 3_000 }, () => "x"), 1];
  expect(fitsSchema(wide, { items: { type: "string" } })).toBe(true);
  // Alternatives within alternatives would be looked at 4^20 times.
  let many: JsonObject = { type: "integer" };
  for (let level = 0; level < 20; level++) many = { anyOf: [many, many, many, many] };
  expect(fitsSchema("x", many)).toBe(true);
});

/** A schema that describes exactly what `value` looks like. */
function schemaOf(value: unknown): Json {
  if (value === null) return { type: "null" };
  if (Array.isArray(value)) return { type: "array", items: { anyOf: value.map(schemaOf) } };
  if (typeof value !== "object") return { type: typeof value as string };
  const entries = Object.entries(value as Record<string, unknown>);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([name, member]) => [name, schemaOf(member)])),
    required: entries.map(([name]) => name),
    additionalProperties: false,
  };
}

test("a value always fits the schema that was made of it, and no value or schema throws", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (value, other) => {
      expect(fitsSchema(value, schemaOf(value))).toBe(true);
      expect(typeof fitsSchema(value, other as Json)).toBe("boolean");
    }),
    { numRuns: 500 },
  );
});
