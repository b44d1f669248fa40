/** The judge of the contract script, against a small file of our own: the published one is no part of the house. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { readContract } from "./openapi-contract.ts";

const FILE = `
openapi: 3.1.0
paths:
  /things/{id}:
    get:
      responses:
        '200':
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Thing'}
        4XX:
          content:
            application/json:
              schema: {type: object, required: [error]}
    delete:
      responses:
        '204': {description: gone}
components:
  schemas:
    Thing:
      type: object
      required: [id]
      properties:
        id: {type: string, format: made-up}
        next: {anyOf: [{$ref: '#/components/schemas/Thing'}, {type: 'null'}]}
`;

const dir = mkdtempSync(path.join(tmpdir(), "waypost-contract-"));
const file = path.join(dir, "contract.yaml");
writeFileSync(file, FILE);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const contract = readContract(file);
const JSON_TYPE = "application/json";

test("it lists the operations of the file", () => {
  expect(contract.operations).toEqual(["GET /things/{id}", "DELETE /things/{id}"]);
});

test.each([
  { name: "a body of the promised shape is valid", status: 200, body: { id: "1", next: { id: "2", next: null } } },
  { name: "an error is judged by its class of statuses", status: 404, body: { error: {} } },
])("$name", ({ status, body }) => {
  expect(contract.judge("GET /things/{id}", status, JSON_TYPE, body)).toEqual({ kind: "valid" });
});

test("a body of another shape is refused with every path", () => {
  const verdict = contract.judge("GET /things/{id}", 200, JSON_TYPE, { id: 1, next: { next: null } });
  expect(verdict.kind === "invalid" && verdict.faults.join("\n")).toMatch(/\/id must be string[\s\S]*\/next must have/);
});

test.each([
  { name: "an operation", operation: "PUT /things/{id}", status: 200, type: JSON_TYPE, what: "PUT /things/{id}" },
  { name: "a status", operation: "GET /things/{id}", status: 500, type: JSON_TYPE, what: "GET /things/{id} 500" },
  {
    name: "a media type",
    operation: "GET /things/{id}",
    status: 200,
    type: "text/html",
    what: "GET /things/{id} 200 as text/html",
  },
])("$name that the file does not describe is named, not passed", ({ operation, status, type, what }) => {
  expect(contract.judge(operation, status, type, {})).toEqual({ kind: "undescribed", what });
});

test("a file that is not OpenAPI 3.1 is refused", () => {
  const other = path.join(dir, "other.yaml");
  writeFileSync(other, "openapi: 3.0.0\npaths: {}\n");
  expect(() => readContract(other)).toThrow(/openapi/);
});
