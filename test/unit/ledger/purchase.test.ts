/** Prices of purchases, and what taking them back undoes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { NANO_PER_USD } from "../../../src/core/money.ts";
import {
  centsOf,
  DEFAULT_TERMS,
  nusdOfCents,
  purchasePrice,
  readPrice,
  takenBack,
} from "../../../src/ledger/purchase.ts";
import { readPaymentSettings } from "../../../src/ledger/payment-settings.ts";

const cents = (count: number): bigint => nusdOfCents(count);

test.each([
  { name: "the minimum fee", credit: 500, methods: ["card"], fee: 80 },
  { name: "5.5% above it", credit: 10_000, methods: ["card"], fee: 550 },
  { name: "a part of a cent, rounded up", credit: 1_999, methods: ["card"], fee: 110 },
  { name: "5% by stablecoin, without a minimum", credit: 500, methods: ["crypto"], fee: 25 },
  { name: "the card's where either is allowed", credit: 10_000, methods: ["card", "crypto"], fee: 550 },
] as const)("a purchase costs $name", ({ credit, methods, fee }) => {
  const price = purchasePrice(cents(credit), methods, DEFAULT_TERMS);
  expect(price).toEqual({ ok: true, value: { creditNusd: cents(credit), feeNusd: cents(fee) } });
});

test("fees are whole cents, never less than their part and never a cent more", () => {
  const amount = fc.integer({ min: 500, max: 1_000_000 });
  fc.assert(
    fc.property(amount, fc.integer({ min: 0, max: 10_000 }), (credit, feeBps) => {
      const price = purchasePrice(cents(credit), ["card"], { ...DEFAULT_TERMS, feeBps, feeMinNusd: 0n });
      if (!price.ok) return;
      const exact = cents(credit) * BigInt(feeBps);
      expect(centsOf(price.value.feeNusd)).toBeGreaterThanOrEqual(0);
      expect(price.value.feeNusd * 10_000n >= exact).toBe(true);
      expect((price.value.feeNusd - cents(1)) * 10_000n < exact).toBe(true);
    }),
  );
});

test("what goes back comes from the credit first, and in all from nowhere else", () => {
  const amount = fc.bigInt({ min: 0n, max: 1_000n });
  fc.assert(
    fc.property(amount, fc.array(amount, { maxLength: 5 }), (creditNusd, parts) => {
      let taken = 0n;
      for (const part of parts) {
        const { creditNusd: fromCredit, feeNusd } = takenBack(part, creditNusd, taken);
        expect(fromCredit + feeNusd).toBe(part);
        taken += fromCredit;
        if (feeNusd > 0n) expect(taken).toBe(creditNusd);
      }
      expect(taken <= creditNusd).toBe(true);
    }),
  );
});

test.each([
  ["10", "0.8", true],
  ["0", "0.8", false],
  ["-1", "0.8", false],
  ["10", "-0.8", false],
  ["1e3", "0", false],
  [undefined, "0", false],
])("a payment that carries %s and %s is a price: %s", (credit, fee, isPrice) => {
  expect(readPrice(credit, fee) !== undefined).toBe(isPrice);
});

const read = (env: Record<string, string>) => readPaymentSettings((name) => env[name]);
const KEYS = { STRIPE_API_KEY: "sk_1", STRIPE_WEBHOOK_SECRET: "whsec_1" };

test("without keys there are no payments; with them, the defaults hold", () => {
  expect(read({})).toEqual({ ok: true, value: null });
  expect(read({ STRIPE_API_KEY: "sk_of_other_software" })).toEqual({ ok: true, value: null });
  expect(read(KEYS)).toMatchObject({ ok: true, value: { baseUrl: null, terms: DEFAULT_TERMS } });
});

test("the operator's terms", () => {
  const settings = read({
    ...KEYS,
    WAYPOST_PURCHASE_FEE_BPS: "0",
    WAYPOST_PURCHASE_FEE_MIN: "0",
    WAYPOST_PURCHASE_MIN: "1",
  });
  expect(settings).toMatchObject({
    ok: true,
    value: { terms: { feeBps: 0, feeMinNusd: 0n, amountMinNusd: NANO_PER_USD } },
  });
});

test.each([
  { env: { STRIPE_WEBHOOK_SECRET: "whsec_1" }, says: /^STRIPE_API_KEY must be set too/ },
  { env: { ...KEYS, STRIPE_API_KEY: "sk 1" }, says: /^STRIPE_API_KEY must be printable/ },
  { env: { ...KEYS, STRIPE_BASE_URL: "http://localhost/v1" }, says: /^STRIPE_BASE_URL must be/ },
  { env: { ...KEYS, STRIPE_BASE_URL: "ftp://localhost" }, says: /^STRIPE_BASE_URL must be/ },
  { env: { ...KEYS, WAYPOST_PURCHASE_FEE_BPS: "5.5" }, says: /^WAYPOST_PURCHASE_FEE_BPS must be/ },
  { env: { ...KEYS, WAYPOST_PURCHASE_FEE_BPS: "10001" }, says: /^WAYPOST_PURCHASE_FEE_BPS must be/ },
  { env: { ...KEYS, WAYPOST_PURCHASE_FEE_MIN: "-1" }, says: /^WAYPOST_PURCHASE_FEE_MIN must be/ },
  { env: { ...KEYS, WAYPOST_PURCHASE_MIN: "0" }, says: /^WAYPOST_PURCHASE_MIN must be/ },
  { env: { ...KEYS, WAYPOST_PURCHASE_MIN: "20", WAYPOST_PURCHASE_MAX: "10" }, says: /must not be above/ },
])("settings $env are refused by name, the secret unsaid", ({ env, says }) => {
  const settings = read(env);
  if (settings.ok) throw new Error("accepted");
  expect(settings.error).toMatch(says);
  expect(settings.error).not.toContain("sk 1");
});
