/** Vouchers: made by the operator, redeemed once per account, whatever breaks in between. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { VoucherGate } from "../../src/gates/voucher-gate.ts";
import { failWrites } from "./account-setup.ts";
import { operator } from "./admin-setup.ts";
import { ask, newTenant, type Tenant } from "./fixture.ts";
import { balanceOf, linesOf } from "./payments-setup.ts";

const USD = 1_000_000_000n;
const vouchers = (): DurableObjectStub<VoucherGate> => {
  // wrangler's types don't know the class behind the binding.
  const namespace = env.VOUCHER_GATE as unknown as DurableObjectNamespace<VoucherGate>;
  return namespace.getByName("all");
};
const redeem = async (tenant: Tenant, code: string) =>
  await ask("POST", "/credits/redeem", tenant.managementKey, { code });

async function voucher(body: Record<string, unknown> = {}): Promise<string> {
  const made = await operator("POST", "/vouchers", { amount: "5", ...body });
  expect(made.status, made.text).toBe(201);
  return String(made.body["code"]);
}

test("a voucher becomes credit, in /credits and the ledger, once per account", async () => {
  const tenant = await newTenant();
  const code = await voucher({ max_redemptions: 2, note: "fair" });
  expect(code).toMatch(/^([2-9A-Z]{5}-){3}[2-9A-Z]{5}$/);
  expect(await redeem(tenant, ` ${code.toLowerCase()} `)).toMatchObject({
    status: 200,
    body: { data: { credits: 5, balance: 5 } },
  });
  expect(await redeem(tenant, code)).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringContaining("redeemed the voucher already") } },
  });
  expect(await balanceOf(tenant)).toBe(5n * USD);
  expect(await linesOf(tenant, ["voucher"])).toEqual({ "tenant:me": 5e9, promotion: -5e9 });
  const listed = await operator("GET", "/vouchers");
  expect(listed.body["data"]).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        note: "fair",
        redemptions: 1,
        max_redemptions: 2,
        amount: "5",
        label: `${code.slice(0, 4)}...`,
      }),
    ]),
  );
  expect(listed.text).not.toContain(code);
});

test("of many that come at once, as many get it as may, each once", async () => {
  const code = await voucher({ max_redemptions: 3 });
  const tenants = await Promise.all(Array.from({ length: 5 }, () => newTenant()));
  const answers = await Promise.all(tenants.flatMap((tenant) => [redeem(tenant, code), redeem(tenant, code)]));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
  const balances = await Promise.all(tenants.map(balanceOf));
  expect(balances.filter((balance) => balance === 5n * USD)).toHaveLength(3);
  expect(balances.filter((balance) => balance === 0n)).toHaveLength(2);
});

test("an expired voucher, an unknown code, a code that is taken", async () => {
  const tenant = await newTenant();
  const code = await voucher({ expires_at: "2099-01-01T00:00:00Z", code: "summer-2099" });
  expect(code).toBe("SUMMER-2099");
  await runInDurableObject(vouchers(), (gate: VoucherGate) => {
    gate.clock = () => Date.UTC(2099, 0, 1);
  });
  expect(await redeem(tenant, code)).toMatchObject({
    status: 409,
    body: { error: { message: "The voucher has expired." } },
  });
  await runInDurableObject(vouchers(), (gate: VoucherGate) => {
    gate.clock = () => Date.now();
  });
  expect(await redeem(tenant, "no-such-voucher")).toMatchObject({ status: 404 });
  expect(await operator("POST", "/vouchers", { amount: "1", code: "Summer-2099" })).toMatchObject({ status: 409 });
  expect(await balanceOf(tenant)).toBe(0n);
});

test.each([
  { name: "before it heard of the credit", fault: "before" as const },
  { name: "after it took the credit", fault: "after" as const },
])("D1 fails $name: the voucher is marked, the credit comes by itself, once", async ({ fault }) => {
  const tenant = await newTenant();
  const code = await voucher();
  await failWrites(tenant, [fault]);
  expect(await redeem(tenant, code)).toMatchObject({ status: 503 });
  await runDurableObjectAlarm(vouchers());
  expect(await balanceOf(tenant)).toBe(5n * USD);
  await runDurableObjectAlarm(tenant.gate);
  await runDurableObjectAlarm(vouchers());
  expect(await balanceOf(tenant)).toBe(5n * USD);
  expect(await redeem(tenant, code)).toMatchObject({ status: 409 });
});

test("the account's gate dies between the mark and the credit: another try or the alarm brings it, once", async () => {
  const [first, second] = [await newTenant(), await newTenant()];
  const code = await voucher({ max_redemptions: 2 });
  await runInDurableObject(vouchers(), (gate: VoucherGate) => {
    const real = gate.desk;
    let lost = 2;
    gate.desk = (account) =>
      lost-- > 0 ? { takeVoucher: async () => await Promise.reject(new Error("gone")) } : real(account);
  });
  expect(await redeem(first, code)).toMatchObject({ status: 503 });
  expect(await redeem(second, code)).toMatchObject({ status: 503 });
  expect(await redeem(first, code)).toMatchObject({ status: 200 });
  await runDurableObjectAlarm(vouchers());
  expect([await balanceOf(first), await balanceOf(second)]).toEqual([5n * USD, 5n * USD]);
  expect(await redeem(await newTenant(), code)).toMatchObject({
    status: 409,
    body: { error: { message: "The voucher is used up." } },
  });
});

test.each([
  { name: "no amount", body: { amount: "0" }, says: "amount must be more than zero" },
  { name: "a negative amount", body: { amount: "-5" }, says: "amount must be more than zero" },
  { name: "less than a nano-dollar", body: { amount: "0.0000000001" }, says: "at most 9 fraction digits" },
  { name: "an overflowing amount", body: { amount: "99999999" }, says: "at most 9007199.25" },
  { name: "a short code", body: { amount: "1", code: "abc" }, says: "8 to 64 letters" },
  { name: "no redemption", body: { amount: "1", max_redemptions: 0 }, says: "max_redemptions" },
  { name: "a time that is over", body: { amount: "1", expires_at: "2020-01-01T00:00:00Z" }, says: "in the future" },
])("a voucher with $name is refused", async ({ body, says }) => {
  const answer = await operator("POST", "/vouchers", body);
  expect(answer).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining(says) } } });
});

test("tenants can't make vouchers, inference keys can't redeem them", async () => {
  const tenant = await newTenant();
  expect(await operator("POST", "/vouchers", { amount: "1" }, tenant.managementKey)).toMatchObject({ status: 403 });
  expect(await ask("POST", "/credits/redeem", tenant.key, { code: "x" })).toMatchObject({ status: 403 });
});
