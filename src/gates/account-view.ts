/** An account as it is shown: its money and its place in the free tier, as of now. */
import type { EpochMs } from "../core/clock.ts";
import { placeOfAccount } from "../core/ids.ts";
import { freeLimitPerDay } from "../limits/free-tier.ts";
import type { AccountView } from "./account-contract.ts";
import { accountLimitsViews, spentNow } from "./account-limits.ts";
import { boughtNusd, type AccountMemory } from "./account-memory.ts";
import { presentFree } from "./account-free.ts";

export function accountView(memory: AccountMemory, nowMs: EpochMs): AccountView {
  const account = presentFree(memory.account, nowMs);
  return {
    id: account.id,
    name: account.name,
    home: placeOfAccount(account.id)?.home ?? "gl",
    suspended: account.isSuspended,
    balanceNusd: account.balanceNusd,
    totalCreditsNusd: account.creditsNusd - account.debitsNusd,
    totalUsageNusd: account.usageNusd,
    heldNusd: memory.heldNusd - memory.leasedNusd,
    leasedNusd: memory.leasedNusd,
    freeUsedToday: account.freeDay.count,
    freeLimitPerDay: freeLimitPerDay(boughtNusd(account)),
    limits: accountLimitsViews(account),
    spentNusd: spentNow(account, nowMs),
  };
}
