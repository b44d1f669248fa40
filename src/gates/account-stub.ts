/** Where an account's gate is, and its branches: by the account's id, whose first letters are its home. */
import type { AccountId } from "../core/ids.ts";
import type { AccountBranch } from "./account-branch.ts";
import type { AccountGate } from "./account-gate.ts";

export function accountGateOf(env: Cloudflare.Env, account: AccountId): DurableObjectStub<AccountGate> {
  // Jurisdictions pin `eu` accounts on Cloudflare; workerd on one machine has none.
  const namespace = env.ACCOUNT_GATE as DurableObjectNamespace<AccountGate>; // `wrangler types` omits the class
  const home = account.slice(0, 2);
  return home === "eu" && env.PLACE === "cf"
    ? namespace.jurisdiction("eu").getByName(account)
    : namespace.getByName(account);
}

export function accountBranchOf(
  env: Cloudflare.Env,
  account: AccountId,
  branch: number,
): DurableObjectStub<AccountBranch> {
  const namespace = env.ACCOUNT_BRANCH as DurableObjectNamespace<AccountBranch>; // `wrangler types` omits the class
  const name = `${account} ${branch}`;
  return account.startsWith("eu") && env.PLACE === "cf"
    ? namespace.jurisdiction("eu").getByName(name)
    : namespace.getByName(name);
}
