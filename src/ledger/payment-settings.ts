/**
 * The operator's payment settings: environment variables, parsed once. Each fault is one sentence that names the variable;
 * a secret's value is never repeated. Without STRIPE_WEBHOOK_SECRET there are no payments, which is no fault: a machine
 * may have other software's STRIPE_API_KEY.
 *   STRIPE_API_KEY, STRIPE_WEBHOOK_SECRET   the payment provider's credentials
 *   STRIPE_BASE_URL                         another server that speaks its wire: an origin, without a path
 *   WAYPOST_PURCHASE_FEE_BPS, _FEE_MIN, _CRYPTO_FEE_BPS, _MIN, _MAX   the terms (purchase.ts)
 */
import { NANO_PER_USD, parseUsd, type NanoUsd } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import { DEFAULT_TERMS, type PurchaseTerms } from "./purchase.ts";

/** A fee above the credit itself is a typing error. */
const FEE_BPS_MAX = 10_000;
/** What the payment provider takes in one payment, and what it doesn't bother with. */
const CHARGE_NUSD_MAX: NanoUsd = 500_000n * NANO_PER_USD;
const CHARGE_NUSD_MIN: NanoUsd = NANO_PER_USD / 2n;

export interface PaymentSettings {
  readonly apiKey: string;
  readonly webhookSecret: string;
  /** Null: the payment provider's own. */
  readonly baseUrl: URL | null;
  readonly terms: PurchaseTerms;
}

/** @returns null when payments are off; an error sentence for the first variable that is malformed. */
export function readPaymentSettings(
  variable: (name: string) => string | undefined,
): Result<PaymentSettings | null, string> {
  const [apiKey, webhookSecret] = [variable("STRIPE_API_KEY"), variable("STRIPE_WEBHOOK_SECRET")];
  const terms = readTerms(variable);
  if (!terms.ok) return terms;
  const baseUrl = readBaseUrl(variable("STRIPE_BASE_URL"));
  if (!baseUrl.ok) return baseUrl;
  if (webhookSecret === undefined) return ok(null);
  for (const [name, value] of Object.entries({ STRIPE_API_KEY: apiKey, STRIPE_WEBHOOK_SECRET: webhookSecret })) {
    if (value === undefined)
      return err(`${name} must be set too: payments need STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET.`);
    if (!/^[\x21-\x7e]+$/.test(value)) return err(`${name} must be printable ASCII without spaces.`);
  }
  return ok({ apiKey: apiKey ?? "", webhookSecret, baseUrl: baseUrl.value, terms: terms.value });
}

function readTerms(variable: (name: string) => string | undefined): Result<PurchaseTerms, string> {
  const faults: string[] = [];
  const bps = (name: string, standard: number): number => {
    const text = variable(name);
    if (text === undefined) return standard;
    if (/^\d{1,5}$/.test(text) && Number(text) <= FEE_BPS_MAX) return Number(text);
    faults.push(`${name} must be a whole number of basis points from 0 to ${FEE_BPS_MAX}, not "${text}".`);
    return standard;
  };
  const usd = (name: string, standard: NanoUsd, least: NanoUsd): NanoUsd => {
    const text = variable(name);
    const parsed = parseUsd(text ?? "0");
    if (text === undefined) return standard;
    if (parsed.ok && parsed.value >= least && parsed.value <= CHARGE_NUSD_MAX && parsed.value % 10_000_000n === 0n) {
      return parsed.value;
    }
    faults.push(`${name} must be US dollars and whole cents such as "0.80", at most 500000, not "${text}".`);
    return standard;
  };
  const terms = {
    feeBps: bps("WAYPOST_PURCHASE_FEE_BPS", DEFAULT_TERMS.feeBps),
    feeMinNusd: usd("WAYPOST_PURCHASE_FEE_MIN", DEFAULT_TERMS.feeMinNusd, 0n),
    cryptoFeeBps: bps("WAYPOST_PURCHASE_CRYPTO_FEE_BPS", DEFAULT_TERMS.cryptoFeeBps),
    amountMinNusd: usd("WAYPOST_PURCHASE_MIN", DEFAULT_TERMS.amountMinNusd, CHARGE_NUSD_MIN),
    amountMaxNusd: usd("WAYPOST_PURCHASE_MAX", DEFAULT_TERMS.amountMaxNusd, CHARGE_NUSD_MIN),
  };
  const [fault] = faults;
  if (fault !== undefined) return err(fault);
  if (terms.amountMinNusd > terms.amountMaxNusd) {
    return err("WAYPOST_PURCHASE_MIN must not be above WAYPOST_PURCHASE_MAX.");
  }
  return ok(terms);
}

function readBaseUrl(text: string | undefined): Result<URL | null, string> {
  if (text === undefined) return ok(null);
  const url = URL.parse(text);
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
  return isOrigin ? ok(url) : err("STRIPE_BASE_URL must be an http or https origin, without path or credentials.");
}
