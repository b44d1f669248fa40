/**
 * Voucher codes: what the operator hands out. A code is worth money to whoever knows it, so it is shown once and kept as a
 * hash. Case and spaces around it don't matter.
 */
import type { RandomBytes } from "../core/clock.ts";

/** Without letters that are taken for digits. 32 of them: five bits each. */
const LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/** 100 bits: nobody guesses one. */
const GROUPS = 4;
const GROUP_LENGTH = 5;

/** A new code, such as `7HK2P-...`. */
export function newVoucherCode(random: RandomBytes): string {
  const letters = Array.from(random(GROUPS * GROUP_LENGTH), (byte) => LETTERS[byte % LETTERS.length] ?? "");
  return Array.from({ length: GROUPS }, (_, at) =>
    letters.slice(at * GROUP_LENGTH, (at + 1) * GROUP_LENGTH).join(""),
  ).join("-");
}

/** Lower-case SHA-256 hex of the code. */
export async function hashVoucherCode(code: string): Promise<string> {
  const bytes = new TextEncoder().encode(code.trim().toUpperCase());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The code's beginning, to tell vouchers apart. */
export function voucherLabel(code: string): string {
  return `${code.trim().toUpperCase().slice(0, 4)}...`;
}
