/** Waypost's Worker. Wiring only: the application, its ports, the Durable Object classes. */
import { depsOf, jobPortsOf } from "./deps.ts";
import { createApp } from "./http/app.ts";
import { runScheduled } from "./jobs/scheduled.ts";

export { AccountBranch } from "./gates/account-branch.ts";
export { AccountGate } from "./gates/account-gate.ts";
export { ProviderGate } from "./gates/provider-gate.ts";
export { VoucherGate } from "./gates/voucher-gate.ts";

const app = createApp(depsOf);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
  scheduled: (_controller, env, context) =>
    runScheduled(jobPortsOf(env, async (request) => await app.fetch(request, env, context))),
} satisfies ExportedHandler<Cloudflare.Env>;
