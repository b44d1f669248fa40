/** The table of contents: every route of the API, under `/api/v1` and the same under `/v1`. */
import { Hono } from "hono";
import type { AppEnv } from "./context.ts";
import { fail } from "./context.ts";
import { frame } from "./middleware/frame.ts";
import { registerChatCompletions } from "./routes/chat-completions.ts";

/** The application. `depsOf` makes the ports of one request. */
export function createApp(depsOf: Parameters<typeof frame>[0]): Hono<AppEnv> {
  const api = new Hono<AppEnv>();
  registerChatCompletions(api);

  const app = new Hono<AppEnv>();
  app.get("/healthz", (context) => context.text("ok"));
  app.use(frame(depsOf));
  app.route("/api/v1", api);
  app.route("/v1", api);
  app.notFound((context) =>
    fail(context, { kind: "not_found", message: `There is no ${context.req.method} ${context.req.path}` }),
  );
  return app;
}
