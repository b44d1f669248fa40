/**
 * Money as integers. Amounts are nano-dollars (1e-9 USD), prices are pico-dollars per unit (1e-12 USD).
 * Strings and JSON numbers exist only at the rim: `parseUsd` and the formatters are that rim.
 * An amount fits a D1 integer exactly up to 9.007e15 nano-dollars (about $9.0 million).
 */
import { assert, err, ok, type Result } from "./result.ts";

/** 1e-9 USD. Always a bigint in code. */
export type NanoUsd = bigint;
/** 1e-12 USD per unit (token, image, request). A safe integer: $0.28 per million tokens is 280_000. */
export type PicoUsd = number;

export const NANO_PER_USD = 1_000_000_000n;
export const PICO_PER_NANO = 1_000n;
/** The largest amount that D1, JSON and JavaScript numbers all hold exactly. */
export const NUSD_MAX: NanoUsd = BigInt(Number.MAX_SAFE_INTEGER);

/** Pico-dollars to nano-dollars, rounded up, once per generation. */
export function picoToNanoUp(picos: bigint): NanoUsd {
  assert(picos >= 0n, "a cost is not negative");
  return (picos + PICO_PER_NANO - 1n) / PICO_PER_NANO;
}

/**
 * Parses a decimal USD string ("12.50", "-3") to nano-dollars.
 * @returns an error sentence for anything but a plain decimal with at most nine fraction digits within ±$9.0 million.
 */
export function parseUsd(text: string): Result<NanoUsd, string> {
  const found = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (!found) return err('must be a decimal number of US dollars with at most 9 fraction digits, such as "12.50"');
  const nanos = BigInt(found[2] ?? "0") * NANO_PER_USD + BigInt((found[3] ?? "").padEnd(9, "0"));
  if (nanos > NUSD_MAX) return err("must be at most 9007199.254740991");
  return ok(found[1] === "-" ? -nanos : nanos);
}

/** Exact decimal USD without trailing zeros: 12_500_000_000n is "12.5". */
export function formatUsd(amountNusd: NanoUsd): string {
  return formatScaled(amountNusd, 9);
}

/** Exact decimal USD of a price: 280_000 is "0.00000028". */
export function formatPrice(pricePusd: PicoUsd): string {
  return formatScaled(BigInt(pricePusd), 12);
}

/** USD as the JSON number nearest to the exact decimal; exact to the nano-dollar below $9.0 million when read back. */
export function usdNumber(amountNusd: NanoUsd): number {
  return Number(formatUsd(amountNusd));
}

/** An amount as a safe integer for storage that has no bigint (D1, SQLite, JSON). Throws beyond ±NUSD_MAX. */
export function nusdToStored(amountNusd: NanoUsd): number {
  assert(amountNusd <= NUSD_MAX && amountNusd >= -NUSD_MAX, "an amount stays within ±9.007e15 nano-dollars");
  return Number(amountNusd);
}

/** The amount behind a stored integer. Throws for a number that is not a safe integer. */
export function nusdFromStored(stored: number): NanoUsd {
  assert(Number.isSafeInteger(stored), "a stored amount is a safe integer");
  return BigInt(stored);
}

function formatScaled(value: bigint, digits: number): string {
  const sign = value < 0n ? "-" : "";
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  const fraction = text.slice(-digits).replace(/0+$/, "");
  return `${sign}${text.slice(0, -digits)}${fraction === "" ? "" : `.${fraction}`}`;
}
