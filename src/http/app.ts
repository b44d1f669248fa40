/** The table of contents: every route of the API, under `/api/v1` and the same under `/v1`. */
import { Hono } from "hono";
import { bugFactsOf } from "./bug.ts";
import type { AppEnv } from "./context.ts";
import { fail } from "./context.ts";
import { knownMethods } from "./known-methods.ts";
import { createLiteralRouter } from "./literal-router.ts";
import { frame } from "./middleware/frame.ts";
import { registerAdmin } from "./routes/admin.ts";
import { registerAccountLimits } from "./routes/account-limits.ts";
import { registerAutoTopUp } from "./routes/auto-top-up.ts";
import { registerBudgets } from "./routes/budgets.ts";
import { registerChatCompletions } from "./routes/chat-completions.ts";
import { registerCompletions } from "./routes/completions.ts";
import { registerCountModels } from "./routes/count-models.ts";
import { registerCreateByok } from "./routes/create-byok.ts";
import { registerCreateCheckout } from "./routes/create-checkout.ts";
import { registerCreateKey } from "./routes/create-key.ts";
import { registerDeleteByok } from "./routes/delete-byok.ts";
import { registerDeleteKey } from "./routes/delete-key.ts";
import { registerGeminiGenerate } from "./routes/gemini-generate.ts";
import { registerListByok } from "./routes/list-byok.ts";
import { registerListKeys } from "./routes/list-keys.ts";
import { registerListModelEndpoints } from "./routes/list-model-endpoints.ts";
import { registerListModels } from "./routes/list-models.ts";
import { registerListProviders } from "./routes/list-providers.ts";
import { registerListZdrEndpoints } from "./routes/list-zdr-endpoints.ts";
import { registerMessages } from "./routes/messages.ts";
import { registerPresets } from "./routes/presets.ts";
import { registerPurchases } from "./routes/purchases.ts";
import { registerReadByok } from "./routes/read-byok.ts";
import { registerReadCredits } from "./routes/read-credits.ts";
import { registerReadGeneration } from "./routes/read-generation.ts";
import { registerReadKey } from "./routes/read-key.ts";
import { registerReadModel } from "./routes/read-model.ts";
import { registerReadOpenApi } from "./routes/read-openapi.ts";
import { registerReadOwnKey } from "./routes/read-own-key.ts";
import { registerRedeemVoucher } from "./routes/redeem-voucher.ts";
import { registerResponses } from "./routes/responses.ts";
import { registerRotateKey } from "./routes/rotate-key.ts";
import { registerStripeWebhook } from "./routes/stripe-webhook.ts";
import { registerTasks } from "./routes/tasks.ts";
import { registerUpdateByok } from "./routes/update-byok.ts";
import { registerStatement } from "./routes/statement.ts";
import { registerUpdateKey } from "./routes/update-key.ts";
import { registerWritePreset } from "./routes/write-preset.ts";

/** The application. `depsOf` makes the ports of one request. */
export function createApp(depsOf: Parameters<typeof frame>[0]): Hono<AppEnv> {
  const api = new Hono<AppEnv>();
  registerChatCompletions(api);
  registerCompletions(api);
  registerTasks(api);
  registerGeminiGenerate(api);
  registerResponses(api);
  registerMessages(api);
  registerListModels(api);
  registerCountModels(api);
  registerReadModel(api);
  registerListModelEndpoints(api);
  registerListZdrEndpoints(api);
  registerListProviders(api);
  registerReadOwnKey(api);
  registerReadCredits(api);
  registerStatement(api);
  registerCreateCheckout(api);
  registerPurchases(api);
  registerAutoTopUp(api);
  registerRedeemVoucher(api);
  registerStripeWebhook(api);
  registerReadGeneration(api);
  registerListKeys(api);
  registerCreateKey(api);
  registerReadKey(api);
  registerUpdateKey(api);
  registerDeleteKey(api);
  registerRotateKey(api);
  registerListByok(api);
  registerCreateByok(api);
  registerReadByok(api);
  registerUpdateByok(api);
  registerDeleteByok(api);
  registerPresets(api);
  registerWritePreset(api);
  registerAccountLimits(api);
  registerBudgets(api);
  registerReadOpenApi(api);
  registerAdmin(api);

  const app = new Hono<AppEnv>({ router: createLiteralRouter() });
  app.get("/healthz", (context) => context.text("ok"));
  app.use(frame(depsOf));
  app.route("/api/v1", api);
  app.route("/v1", api);
  // What Google's SDKs put behind a base URL.
  const googleApi = new Hono<AppEnv>();
  registerGeminiGenerate(googleApi);
  app.route("/api/v1beta", googleApi);
  app.route("/v1beta", googleApi);
  app.notFound((context) => {
    const { method, path } = context.req;
    const allowed = knownMethods(app.routes, path);
    return fail(
      context,
      allowed.length === 0
        ? { kind: "not_found", message: `There is no ${method} ${path}` }
        : { kind: "method_not_allowed", allowed },
    );
  });
  app.onError((error, context) => {
    const { deps, requestId } = context.var as Partial<AppEnv["Variables"]>; // a bad deployment fails before they are set
    if (deps === undefined || requestId === undefined) throw error;
    deps.log(JSON.stringify({ event: "bug", request_id: requestId, ...bugFactsOf(error) }));
    return fail(context, { kind: "internal" });
  });
  return app;
}
