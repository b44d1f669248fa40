/**
 * Decimal prices of lists as integers of ours, without a float in between: the decimal text of a number is shifted and
 * rounded up, so that no price of ours is below the provider's. Noise of binary fractions (0.30000000000000004) is no part
 * of a price and is dropped.
 */
import { err, ok, type Result } from "../../core/result.ts";
import type { PicoUsd } from "../../core/money.ts";

/** Pico-dollars in one unit of a list: dollars per million tokens, and dollars per token, request or piece. */
export const PER_MILLION = 6;
export const PER_UNIT = 12;
/** The dearest unit that is believed: $1,000. */
const PICO_MAX = 10n ** 15n;
/** A rest below this share of a pico-dollar is noise. */
const NOISE_SHARE = 1_000n;

/**
 * A price as pico-dollars per unit; `shift` is PER_MILLION or PER_UNIT.
 * @returns the end of a sentence for what is no price: no decimal, negative, or beyond $1,000 a unit.
 */
export function picoOf(value: unknown, shift: number): Result<PicoUsd, string> {
  const text = typeof value === "number" ? String(value) : value;
  const found = typeof text === "string" ? /^(-?)(\d{1,30})(?:\.(\d{1,30}))?(?:e([+-]?\d{1,3}))?$/i.exec(text) : null;
  if (found === null) return err("is not a decimal number");
  const [, sign, whole = "", fraction = "", exponent = "0"] = found;
  const digits = BigInt(whole + fraction);
  if (sign === "-" && digits > 0n) return err("is negative");
  const power = Number(exponent) - fraction.length + shift;
  const pico = power >= 0 ? digits * 10n ** BigInt(Math.min(power, 60)) : divideUp(digits, 10n ** BigInt(-power));
  return pico > PICO_MAX ? err("is beyond $1,000 a unit") : ok(Number(pico));
}

function divideUp(amount: bigint, divisor: bigint): bigint {
  const rest = amount % divisor;
  return amount / divisor + (rest * NOISE_SHARE < divisor ? 0n : 1n);
}
