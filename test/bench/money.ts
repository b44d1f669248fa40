/**
 * The bench's own reading of amounts, apart from the product's, so that one mistake cannot agree with itself.
 * Nano-dollars as bigint; text as JSON writes numbers, exponents included.
 */

/** The exact nano-dollars of a JSON number's text; undefined if it is none or finer than a nano-dollar. */
export function decimalToNusd(text: string): bigint | undefined {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
  if (found === null) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = found;
  const shift = 9 + Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  const scale = 10n ** BigInt(Math.abs(shift));
  if (shift < 0 && digits % scale !== 0n) return undefined;
  const amount = shift < 0 ? digits / scale : digits * scale;
  return sign === "-" ? -amount : amount;
}
