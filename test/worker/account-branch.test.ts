/** An AccountBranch in workerd, between isolates' clients and a real gate: one charge each, nothing left reserved. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createAccountRoutes } from "../../src/gates/account-branches.ts";
import { createAccountClient } from "../../src/gates/account-client.ts";
import type { AccountSpendRpc } from "../../src/gates/account-contract.ts";
import { accountBranchOf } from "../../src/gates/account-stub.ts";
import { createStanding } from "../../src/gates/standing.ts";
import { gateOf, newAccount, request, settlement, USD, type TestAccount } from "./account-setup.ts";

const COST = USD / 100n;

/** An isolate that has been told of two branches, and its calls of the gate itself. */
function isolateOf({ id }: TestAccount) {
  const calls: string[] = [];
  const gate: AccountSpendRpc = {
    admit: async (wanted) => (calls.push("admit"), { ...(await gateOf(id).admit(wanted)), branches: 2 }),
    extend: async (wanted) => await gateOf(id).extend(wanted),
    renew: async (ids) => await gateOf(id).renew(ids),
    settle: async (some, reports) => (calls.push("settle"), await gateOf(id).settle(some, reports)),
  };
  const reporter = crypto.randomUUID();
  const routes = createAccountRoutes({
    clock: Date.now,
    gate: () => gate,
    branch: (account, branch) => accountBranchOf(env, account, branch),
    reporter,
  });
  const standing = createStanding(Date.now, null);
  return { calls, client: createAccountClient({ clock: Date.now, gate: routes, reporter, standing }) };
}

test("requests of many isolates go through branches, are charged once, and leave nothing reserved", async () => {
  const account = await newAccount(100n * USD);
  const serve = async (): Promise<readonly string[]> => {
    const { calls, client } = isolateOf(account);
    // For free models: asks the gate, and is told of branches.
    const free = request(account, { isFree: true, wantedNusd: 0n, minimumNusd: 0n });
    await client.admit(account.id, free);
    client.forget(account.id, free.generationId);
    await client.settle(account.id, settlement(account, free.generationId, 0n));
    calls.length = 0;
    const paid = request(account, { wantedNusd: USD / 10n, minimumNusd: USD / 10n });
    const admission = await client.admit(account.id, paid);
    expect(admission).toMatchObject({ kind: "admitted", holdNusd: USD / 10n, lease: null });
    client.forget(account.id, paid.generationId);
    expect(await client.settle(account.id, settlement(account, paid.generationId, COST))).toBe(true);
    // Its answer was lost, say: a second one changes nothing.
    expect(await client.settle(account.id, settlement(account, paid.generationId, COST))).toBe(true);
    return calls;
  };
  const calls = await Promise.all(Array.from({ length: 12 }, serve));
  // What was settled a second time had left its branch.
  for (const each of calls) expect(each).toEqual(["settle"]);
  for (let tries = 0; tries < 100; tries++) {
    const audit = await gateOf(account.id).audit();
    if (audit.ok && audit.value.openLeases === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const audit = await gateOf(account.id).audit();
  expect(audit.ok && audit.value).toMatchObject({
    faults: [],
    openHolds: 0,
    openLeases: 0,
    heldNusd: 0n,
    unsettledCount: 0,
  });
  const view = await gateOf(account.id).view();
  expect(view.ok && view.value.balanceNusd).toBe(100n * USD - 12n * COST);
});
