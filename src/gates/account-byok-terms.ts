/**
 * The operator's terms for BYOK, from the deployment's variables:
 *   WAYPOST_BYOK_FEE_BPS            basis points of the list price, 0 to 10,000; 500 when unset
 *   WAYPOST_BYOK_FREE_USD_MONTHLY   list price a month without the fee, whole dollars; 25,000 when unset
 * The defaults are OpenRouter's: 5% above $25,000 a month (openrouter.ai/docs, BYOK; October 2026).
 * What can't be read as such a number counts as unset; `npm start` refuses it before it comes here.
 */
import { NANO_PER_USD } from "../core/money.ts";
import { BPS_MAX } from "../ledger/cost.ts";
import type { ByokTerms } from "./account-byok.ts";

const FEE_BPS = 500;
const FREE_USD_MONTHLY = 25_000;
/** More than any account uses, and still an exact amount. */
const FREE_USD_MAX = 1_000_000_000;

/** Reads the terms of a deployment. */
export function byokTermsOf(env: object): ByokTerms {
  const read = (name: string, standard: number, max: number): number => {
    const text: unknown = (env as Readonly<Record<string, unknown>>)[name]; // bindings that are not declared
    return typeof text === "string" && /^\d+$/.test(text) && Number(text) <= max ? Number(text) : standard;
  };
  return {
    feeBps: read("WAYPOST_BYOK_FEE_BPS", FEE_BPS, BPS_MAX),
    freeMonthlyNusd: BigInt(read("WAYPOST_BYOK_FREE_USD_MONTHLY", FREE_USD_MONTHLY, FREE_USD_MAX)) * NANO_PER_USD,
  };
}
