/** What becomes of JSON schemas before a grammar of Claude or Bedrock is asked to enforce them. */
import { transformJSONSchema } from "@anthropic-ai/sdk/lib/transform-json-schema";
import { expect, test } from "vitest";
import * as z from "zod";
import type { JsonObject } from "../../../src/core/json.ts";
import { enforcedSchema, looseningOf } from "../../../src/providers/enforced-schema.ts";

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});
const schemaOf = (type: z.ZodType): JsonObject => z.toJSONSchema(type) as unknown as JsonObject; // JSON by its name

test.each([
  { name: "a closed object stays as it is", given: object({ a: { type: "string" } }), bounds: [] },
  { name: "whole numbers lose the bounds that zod writes", given: schemaOf(z.object({ a: z.int() })), bounds: [] },
  {
    name: "bounds move",
    given: object({
      a: { type: "integer", minimum: 1, maximum: 9 },
      b: { type: "string", pattern: "^x", minLength: 2 },
    }),
    bounds: ["minimum", "maximum", "pattern", "minLength"],
  },
  {
    name: "lengths of lists move, but for one at least",
    given: object({ a: { type: "array", items: { type: "string" }, minItems: 1, maxItems: 3 } }),
    bounds: ["maxItems"],
  },
  { name: "formats stay where they are known", given: object({ a: { type: "string", format: "uuid" } }), bounds: [] },
  { name: "others move", given: object({ a: { type: "string", format: "phone" } }), bounds: ["format"] },
  { name: "an object that is not said to be closed is", given: { type: "object", properties: {} }, bounds: [] },
  {
    name: "unions are walked",
    given: { anyOf: [object({}), { oneOf: [{ type: "number", minimum: 0 }] }] },
    bounds: ["minimum"],
  },
  {
    name: "definitions are walked",
    given: object({ a: { $ref: "#/$defs/b" } }, { $defs: { b: { type: "number", multipleOf: 2 } } }),
    bounds: ["multipleOf"],
  },
])("$name", ({ given, bounds }) => {
  const enforced = enforcedSchema(given);
  expect(enforced?.loosened).toEqual(bounds);
  // The SDK throws where we give null; else both send what the API takes, the SDK with the bounds of any whole number.
  const theirs: unknown = JSON.parse(JSON.stringify(transformJSONSchema(given as never)));
  expect(withoutWholeRange(theirs)).toEqual(withoutWholeRange(enforced?.schema));
  expect(JSON.stringify(enforced?.schema)).not.toMatch(
    /"(minimum|maximum|pattern|minLength|maxItems|multipleOf|\$schema)"/,
  );
});

/** Descriptions without what the SDK says of every integer. */
function withoutWholeRange(schema: unknown): unknown {
  const text = JSON.stringify(schema).replaceAll(
    /,?"description":"\{minimum: -9007199254740991, maximum: 9007199254740991\}"/g,
    "",
  );
  return JSON.parse(text);
}

test("what moves is read in the description, behind what stood there, and named in a warning", () => {
  const enforced = enforcedSchema(object({ a: { type: "integer", minimum: 1, default: 2, description: "A dose." } }));
  expect(enforced?.schema["properties"]).toEqual({
    a: { type: "integer", description: "A dose.\n\n{minimum: 1, default: 2}" },
  });
  expect(enforced && looseningOf("response_format", enforced)).toBe(
    "response_format: minimum became part of a description, not enforced.",
  );
  const whole = enforcedSchema(object({}));
  expect(whole && looseningOf("response_format", whole)).toBeNull();
});

test.each([
  { name: "names of the model's own choice", given: schemaOf(z.object({ a: z.record(z.string(), z.number()) })) },
  { name: "an object of anything", given: object({ a: { type: "object" } }) },
  { name: "an object of nothing but more", given: { type: "object", properties: {}, additionalProperties: true } },
  { name: "anything", given: object({ a: {} }) },
  { name: "a tuple", given: schemaOf(z.object({ a: z.tuple([z.string(), z.number()]) })) },
  { name: "itself", given: object({ a: { $ref: "#" } }) },
  { name: "a reference elsewhere", given: object({ a: { $ref: "https://e.x/s.json" } }) },
  {
    name: "definitions in a circle",
    given: object({ a: { $ref: "#/$defs/b" } }, { $defs: { b: object({ c: { $ref: "#/$defs/b" } }) } }),
  },
  { name: "a literal that is an object", given: object({ a: { enum: [{ b: 1 }] } }) },
  { name: "a property that is true", given: object({ a: true }) },
])("no grammar holds $name", ({ given }) => {
  expect(enforcedSchema(given)).toBeNull();
});
