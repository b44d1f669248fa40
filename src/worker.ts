/** Waypost's Worker. Wiring only: the application, its ports, the Durable Object classes. */
import { depsOf } from "./deps.ts";
import { createApp } from "./http/app.ts";

export { AccountGate } from "./gates/account-gate.ts";
export { ProviderGate } from "./gates/provider-gate.ts";
export { VoucherGate } from "./gates/voucher-gate.ts";

const app = createApp(depsOf);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
} satisfies ExportedHandler<Cloudflare.Env>;
