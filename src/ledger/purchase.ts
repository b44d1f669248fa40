/**
 * What a purchase of credit costs, and what taking it back undoes. Pure; amounts in nano-dollars, charges in whole cents.
 * The tenant pays the credit plus a fee: a part of the credit in basis points, rounded up to a cent, at least a minimum.
 * Defaults are OpenRouter's: 5.5% and at least $0.80 by card, 5% by stablecoin (https://openrouter.ai/pricing, stored
 * copy read 2026-11-21).
 */
import { formatUsd, NANO_PER_USD, NUSD_MAX, parseUsd, type NanoUsd } from "../core/money.ts";
import { assert, err, ok, type Result } from "../core/result.ts";

/** What the payment provider counts in. */
const NANO_PER_CENT = NANO_PER_USD / 100n;
const BASIS_POINTS = 10_000n;

/** Ways to pay: `crypto` is stablecoins, settled in US dollars. */
export const PAYMENT_METHODS = ["card", "crypto"] as const;
export type PaymentMethod = (typeof PAYMENT_METHODS)[number];

/** The operator's terms. */
export interface PurchaseTerms {
  readonly feeBps: number;
  readonly feeMinNusd: NanoUsd;
  /** For purchases that can be paid by stablecoin alone; without a minimum. */
  readonly cryptoFeeBps: number;
  readonly amountMinNusd: NanoUsd;
  readonly amountMaxNusd: NanoUsd;
}

export const DEFAULT_TERMS: PurchaseTerms = {
  feeBps: 550,
  feeMinNusd: 80n * NANO_PER_CENT,
  cryptoFeeBps: 500,
  amountMinNusd: 5n * NANO_PER_USD,
  amountMaxNusd: 10_000n * NANO_PER_USD,
};

/** What is bought and what it costs on top. */
export interface PurchasePrice {
  readonly creditNusd: NanoUsd;
  readonly feeNusd: NanoUsd;
}

/**
 * Credit and fee of a purchase. Where more than one method is allowed, the card's fee goes for all of them.
 * @returns an error sentence for an amount below or above the terms, or in parts of a cent.
 */
export function purchasePrice(
  creditNusd: NanoUsd,
  methods: readonly PaymentMethod[],
  terms: PurchaseTerms,
): Result<PurchasePrice, string> {
  if (creditNusd < terms.amountMinNusd) return err(`must be at least ${formatUsd(terms.amountMinNusd)}`);
  if (creditNusd > terms.amountMaxNusd) return err(`must be at most ${formatUsd(terms.amountMaxNusd)}`);
  if (creditNusd % NANO_PER_CENT !== 0n) return err("must be in whole cents");
  const isCryptoOnly = methods.every((method) => method === "crypto");
  const feeNusd = isCryptoOnly
    ? partUp(creditNusd, terms.cryptoFeeBps)
    : max(partUp(creditNusd, terms.feeBps), terms.feeMinNusd);
  return ok({ creditNusd, feeNusd });
}

/** Nano-dollars as whole cents. */
export function centsOf(amountNusd: NanoUsd): number {
  assert(amountNusd % NANO_PER_CENT === 0n && amountNusd >= 0n, "a charge is in whole cents");
  return Number(amountNusd / NANO_PER_CENT);
}

/** Whole cents as nano-dollars. */
export function nusdOfCents(cents: number): NanoUsd {
  assert(Number.isSafeInteger(cents), "a charge is in whole cents");
  return BigInt(cents) * NANO_PER_CENT;
}

/**
 * Takes `amountNusd` of a payment back: from its credit first, and only then from its fee, so that the fee stays with the
 * operator unless the whole payment goes back.
 * @param takenNusd what was taken from the credit before.
 */
export function takenBack(amountNusd: NanoUsd, creditNusd: NanoUsd, takenNusd: NanoUsd): PurchasePrice {
  assert(amountNusd >= 0n && takenNusd >= 0n, "what goes back is not negative");
  const left = max(0n, creditNusd - takenNusd);
  const fromCredit = amountNusd < left ? amountNusd : left;
  return { creditNusd: fromCredit, feeNusd: amountNusd - fromCredit };
}

/** A price as a payment carries it, and back. @returns undefined for texts that are no price. */
export function readPrice(credit: string | undefined, fee: string | undefined): PurchasePrice | undefined {
  const [creditNusd, feeNusd] = [parseUsd(credit ?? ""), parseUsd(fee ?? "")];
  if (!creditNusd.ok || !feeNusd.ok || creditNusd.value <= 0n || feeNusd.value < 0n) return undefined;
  if (creditNusd.value + feeNusd.value > NUSD_MAX) return undefined;
  return { creditNusd: creditNusd.value, feeNusd: feeNusd.value };
}

/** A part in basis points, rounded up to a cent. */
function partUp(amountNusd: NanoUsd, bps: number): NanoUsd {
  const unit = BASIS_POINTS * NANO_PER_CENT;
  return ((amountNusd * BigInt(bps) + unit - 1n) / unit) * NANO_PER_CENT;
}

function max(left: NanoUsd, right: NanoUsd): NanoUsd {
  return left > right ? left : right;
}
