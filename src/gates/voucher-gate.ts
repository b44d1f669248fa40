/**
 * VoucherGate: the one object that knows how often a voucher was redeemed, and by whom. A redemption is marked with its
 * account before that account's gate is asked to credit it, and the credit is named by the voucher, so that it comes
 * exactly once: whatever breaks in between, the alarm asks again until the gate has said that it is done.
 */
import { DurableObject } from "cloudflare:workers";
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { asAccountId, type AccountId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import { systemClock } from "../core/system.ts";
import { paymentsAt } from "./account-payments-client.ts";
import type { AccountPayments } from "./account-payments-contract.ts";
import { accountGateOf } from "./account-stub.ts";
import type { NewVoucher, Redemption, VoucherGateRpc, VoucherView } from "./voucher-contract.ts";
import { openVoucherStore, type VoucherRow, type VoucherStore } from "./voucher-store.ts";

const VOUCHERS_MAX = 100_000;
const PAGE_MAX = 200;
/** Redemptions that wait for their credit are tried again after this, so many at a time. */
const RETRY_MS = 5_000;
const RETRIED_MAX = 50;

type AccountDesk = Pick<AccountPayments, "takeVoucher">;

export class VoucherGate extends DurableObject<Env> implements VoucherGateRpc {
  /** Fields, so that a test can say the time aloud and let an account's gate fail; not reachable by RPC. */
  clock: Clock = systemClock;
  desk: (account: AccountId) => AccountDesk = (account) => paymentsAt(accountGateOf(this.env, account));

  private readonly store: VoucherStore = openVoucherStore(this.ctx.storage);

  async create(voucher: NewVoucher): Promise<Result<VoucherView, RouterError>> {
    if (this.store.find(voucher.codeHash) !== undefined) {
      return err({ kind: "conflict", message: "There is a voucher with this code already." });
    }
    if (this.store.count() >= VOUCHERS_MAX) {
      return err({
        kind: "conflict",
        message: `There are ${VOUCHERS_MAX} vouchers, which is as many as there can be.`,
      });
    }
    const row: VoucherRow = { ...voucher, createdAtMs: this.clock() };
    this.store.write(row);
    return ok(viewOf(row, 0));
  }

  async list(beforeId: string | null, limit: number): Promise<readonly VoucherView[]> {
    return this.store
      .list(beforeId, Math.min(limit, PAGE_MAX))
      .map((row) => viewOf(row, this.store.redemptions(row.id)));
  }

  async redeem(codeHash: string, account: AccountId): Promise<Result<Redemption, RouterError>> {
    const voucher = this.store.find(codeHash);
    if (voucher === undefined) return err({ kind: "not_found", message: "There is no voucher with this code" });
    const refusal = this.mark(voucher, account, this.clock());
    if (refusal !== undefined) return err({ kind: "conflict", message: refusal });
    await this.ctx.storage.setAlarm(this.clock() + RETRY_MS);
    return await this.credit(voucher, account);
  }

  override async alarm(): Promise<void> {
    const waiting = this.store.waiting(RETRIED_MAX);
    // Before the calls: they may outlive this object.
    if (waiting.length > 0) await this.ctx.storage.setAlarm(this.clock() + RETRY_MS);
    for (const { voucher, account } of waiting) await this.credit(voucher, asAccountId(account));
  }

  /** Marks a redemption, unless it is marked and waits for its credit. @returns why it may not be. */
  private mark(voucher: VoucherRow, account: AccountId, nowMs: EpochMs): string | undefined {
    const known = this.store.redemption(voucher.id, account);
    if (known === "credited") return "This account has redeemed the voucher already.";
    if (known === "waiting") return undefined;
    if (voucher.expiresAtMs !== null && voucher.expiresAtMs <= nowMs) return "The voucher has expired.";
    if (this.store.redemptions(voucher.id) >= voucher.redemptionsMax) return "The voucher is used up.";
    this.store.mark(voucher.id, account, nowMs);
    return undefined;
  }

  private async credit(voucher: VoucherRow, account: AccountId): Promise<Result<Redemption, RouterError>> {
    const { id, amountNusd } = voucher;
    const receipt = await this.desk(account)
      .takeVoucher(id, amountNusd)
      .catch((): Result<never, RouterError> => err(UNREACHABLE));
    if (receipt.ok) {
      this.store.finish(id, account);
      return ok({ voucherId: id, amountNusd, balanceNusd: receipt.value.balanceNusd });
    }
    // It may have been booked or not: asked again until that is known. What is refused was not booked.
    if (receipt.error.kind !== "storage") this.store.unmark(id, account);
    return receipt;
  }
}

const UNREACHABLE: RouterError = { kind: "storage", message: "The account's gate can't be reached at the moment." };

function viewOf(row: VoucherRow, redemptions: number): VoucherView {
  const { id, label, amountNusd, redemptionsMax, expiresAtMs, note, createdAtMs } = row;
  return { id, label, amountNusd, redemptionsMax, expiresAtMs, note, createdAtMs, redemptions };
}
