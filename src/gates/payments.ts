/** The payment provider as gates and routes reach it: the port and the operator's terms, made of the environment. */
import { systemFetch } from "../core/system.ts";
import { ok, type Result } from "../core/result.ts";
import type { PaymentPort } from "../ledger/payment-port.ts";
import { readPaymentSettings } from "../ledger/payment-settings.ts";
import type { PurchaseTerms } from "../ledger/purchase.ts";
import { createStripePort } from "../ledger/stripe.ts";

export interface Payments {
  readonly port: PaymentPort;
  readonly terms: PurchaseTerms;
}

/** @returns null when this deployment takes no payments; an error sentence for a faulty setting. */
export function openPayments(env: object): Result<Payments | null, string> {
  const settings = readPaymentSettings((name) => {
    const value: unknown = Reflect.get(env, name);
    return typeof value === "string" && value !== "" ? value : undefined;
  });
  if (!settings.ok || settings.value === null) return settings.ok ? ok(null) : settings;
  const { terms } = settings.value;
  return ok({ port: createStripePort({ settings: settings.value, fetch: systemFetch }), terms });
}

/** The same for a gate, which has no payments when a setting is faulty: the first request tells of that. */
export function gatePayments(env: object): Payments | null {
  const opened = openPayments(env);
  return opened.ok ? opened.value : null;
}
