/** Literal paths from memory, all others by the trie, and never one for the other. */
import { Hono } from "hono";
import { TrieRouter } from "hono/router/trie-router";
import { expect, test } from "vitest";
import { createLiteralRouter } from "../../../src/http/literal-router.ts";

function routes(app: Hono): Hono {
  app.use(async (context, next) => {
    await next();
    context.res.headers.set("x-framed", context.req.routePath);
  });
  app.get("/models", (context) => context.text("all"));
  app.get("/models/count", (context) => context.text("count"));
  app.get("/models/:author/:slug/endpoints", (context) =>
    context.text(`${context.req.param("author")} ${context.req.param("slug")}`),
  );
  app.post("/models/:call{.+}", (context) => context.text(context.req.param("call")));
  app.delete("/models/count", (context) => context.text("gone"));
  return app;
}

test("answers every path as the trie alone does, the first time and each time after", async () => {
  const remembering = routes(new Hono({ router: createLiteralRouter() }));
  const plain = routes(new Hono({ router: new TrieRouter() }));
  const paths = [
    "/models",
    "/models/count",
    "/models/a/b/endpoints",
    "/models/a/c/endpoints",
    "/models/x:y",
    "/nothing",
  ];
  for (let time = 0; time < 3; time++) {
    for (const path of paths) {
      for (const method of ["GET", "POST", "DELETE", "PUT", "HEAD"]) {
        const [given, wanted] = await Promise.all(
          [remembering, plain].map(async (app) => await app.request(path, { method })),
        );
        const said = async (response: Response | undefined) => [
          response?.status,
          await response?.text(),
          response?.headers.get("x-framed"),
        ];
        expect([method, path, ...(await said(given))]).toEqual([method, path, ...(await said(wanted))]);
      }
    }
  }
});

test("a route that is added later is found", () => {
  const router = createLiteralRouter<string>();
  router.add("GET", "/a", "first");
  expect(router.match("GET", "/a")[0]).toHaveLength(1);
  router.add("GET", "/a", "second");
  expect(router.match("GET", "/a")[0]).toHaveLength(2);
});
