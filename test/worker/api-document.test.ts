/** The OpenAPI document: it lists exactly what the router serves, and its schemas are whole. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { depsOf } from "../../src/deps.ts";
import { createApp } from "../../src/http/app.ts";
import { OPERATIONS } from "../../src/http/openapi.ts";
import { ask, askAt } from "./fixture.ts";

interface Document {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Record<string, unknown>>>>>;
}
const read = async (path = "/api/v1/openapi.json") => (await askAt(path, "GET")).body as Document; // matched below

test("the document lists every route of the router, and no other", async () => {
  const served = createApp(depsOf)
    .routes.filter(({ method, path }) => method !== "ALL" && path.startsWith("/api/v1/"))
    .map(({ method, path }) => `${method} ${path.slice("/api/v1".length).replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`);
  const listed = Object.entries((await read()).paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(listed.toSorted()).toEqual([...new Set(served)].toSorted());
});

test("operation ids are unique, and every operation has a summary, responses and its parts of the path", async () => {
  const { openapi, paths } = await read();
  expect(openapi).toBe("3.1.0");
  expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
  for (const [path, methods] of Object.entries(paths)) {
    for (const operation of Object.values(methods)) {
      expect(operation).toMatchObject({
        operationId: expect.any(String),
        summary: expect.any(String),
        security: expect.any(Array),
        responses: { default: expect.any(Object) },
      });
      const parts = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) =>
        expect.objectContaining({ name, in: "path", required: true }),
      );
      expect(operation["parameters"] ?? []).toEqual(expect.arrayContaining(parts));
    }
  }
});

test("every reference in the document leads somewhere", async () => {
  const document = await read();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = ""]) => path);
  expect(references.length).toBeGreaterThan(0);
  for (const path of references) {
    let value: unknown = document;
    for (const part of path.split("/")) value = (value as Record<string, unknown> | undefined)?.[part]; // a walk through JSON
    expect(value, path).toBeDefined();
  }
});

test("the server's address is the one that was asked, prefix included", async () => {
  expect((await read("/v1/openapi.json")).servers).toEqual([{ url: "https://waypost.test/v1" }]);
  expect((await read()).servers).toEqual([{ url: "https://waypost.test/api/v1" }]);
});

test("the document holds no secret of the deployment", async () => {
  const text = JSON.stringify((await ask("GET", "/openapi.json")).body);
  expect(text).not.toContain(env.OPERATOR_KEY);
  expect(text).not.toContain(env.WAYPOST_SECRET);
});
