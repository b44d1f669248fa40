/** An import as text for a terminal: what was read, what was refused and why, what would change. Pure. */
import type { PicoUsd } from "../../core/money.ts";
import { formatPrice } from "../../core/money.ts";
import type { CatalogDiff, PriceChange } from "./diff.ts";
import type { Refusal } from "./feed.ts";

/** Lines and names of one kind that are shown unless everything is asked for. */
const SHOWN_MAX = 20;
/** Prices of pieces; all others are per token. */
const PIECES = new Set([
  "request",
  "image",
  "web_search",
  "hardware_second",
  "audio_second",
  "video_second",
  "image_made",
  "megapixel",
  "page",
  "character",
  "search_unit",
]);
const PICO_DIGITS_PER_MILLION = 6;

/** Entries and refusals: how many, and each reason with its count, the most frequent first. */
export function refusalText(imported: number, refused: readonly Refusal[], isFull: boolean): string {
  const lines = [
    `${count(imported + refused.length)} entries: ${count(imported)} imported, ${count(refused.length)} refused.`,
  ];
  const byReason = new Map<string, string[]>();
  for (const { ref, reason } of refused) byReason.set(reason, [...(byReason.get(reason) ?? []), ref]);
  const rows = [...byReason].toSorted(([, a], [, b]) => b.length - a.length);
  for (const [reason, refs] of isFull ? rows : rows.slice(0, SHOWN_MAX)) {
    lines.push(
      `  ${count(refs.length).padStart(6)}  ${reason}${isFull ? "" : ` (${refs[0]}${refs.length > 1 ? ", ..." : ""})`}`,
    );
    if (isFull) lines.push(...refs.map((ref) => `            ${ref}`));
  }
  if (!isFull && rows.length > SHOWN_MAX) lines.push(`          and ${count(rows.length - SHOWN_MAX)} further reasons`);
  return lines.join("\n");
}

/** What would change, flagged prices first. */
export function diffText(diff: CatalogDiff, isFull: boolean): string {
  const lines = [
    ...names("+", "provider", diff.providersAdded, isFull),
    ...names("-", "provider", diff.providersRemoved, isFull),
    ...names("~", "provider", diff.providersChanged, isFull),
    ...names("+", "model", diff.modelsAdded, isFull),
    ...names("-", "model", diff.modelsRemoved, isFull),
    ...names("+", "endpoint", diff.endpointsAdded, isFull),
    ...names("-", "endpoint", diff.endpointsRemoved, isFull),
    ...names("~", "endpoint", diff.endpointsChanged, isFull),
    ...priceLines(diff.prices, isFull),
  ];
  return lines.length === 0 ? "Nothing changes." : lines.join("\n");
}

function names(sign: string, what: string, all: readonly string[], isFull: boolean): readonly string[] {
  if (all.length === 0) return [];
  const shown = isFull ? all : all.slice(0, SHOWN_MAX);
  const rest = all.length > shown.length ? `, and ${count(all.length - shown.length)} more` : "";
  return [`${sign} ${count(all.length)} ${what}${all.length === 1 ? "" : "s"}: ${shown.join(", ")}${rest}`];
}

function priceLines(prices: readonly PriceChange[], isFull: boolean): readonly string[] {
  if (prices.length === 0) return [];
  const flagged = prices.filter(({ isFlagged }) => isFlagged);
  const plain = prices.filter(({ isFlagged }) => !isFlagged);
  const head = `~ ${count(prices.length)} price${prices.length === 1 ? "" : "s"}, ${count(flagged.length)} flagged (!)`;
  // The flagged ones are what this is for: they are all shown.
  const shown = [...flagged, ...(isFull ? plain : plain.slice(0, SHOWN_MAX))];
  const hidden = prices.length - shown.length;
  return [head, ...shown.map(priceLine), ...(hidden > 0 ? [`    and ${count(hidden)} more`] : [])];
}

function priceLine({ model, tag, key, fromPusd, toPusd, changeBps, isFlagged }: PriceChange): string {
  const name = key.slice(key.lastIndexOf(" ") + 1);
  const text = (price: PicoUsd): string => (PIECES.has(name) ? `$${formatPrice(price)}` : `$${perMillion(price)}`);
  const unit = PIECES.has(name) ? "each" : "per million";
  const share = changeBps === null ? "new" : `${changeBps > 0 ? "+" : ""}${(changeBps / 100).toFixed(1)}%`;
  return `  ${isFlagged ? "!" : " "} ${model} at ${tag}: ${key} ${text(fromPusd)} -> ${text(toPusd)} ${unit} (${share})`;
}

/** Pico-dollars per token as dollars per million tokens, exactly. */
function perMillion(price: PicoUsd): string {
  const digits = String(price).padStart(PICO_DIGITS_PER_MILLION + 1, "0");
  const fraction = digits.slice(-PICO_DIGITS_PER_MILLION).replace(/0+$/, "");
  return `${digits.slice(0, -PICO_DIGITS_PER_MILLION)}${fraction === "" ? "" : `.${fraction}`}`;
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}
