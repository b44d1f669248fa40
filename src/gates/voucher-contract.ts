/** What the VoucherGate answers, as types. Amounts in nano-dollars. A voucher's code is known only by its hash. */
import type { EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { AccountId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";

export interface NewVoucher {
  readonly id: string;
  /** Lower-case SHA-256 hex of the code. */
  readonly codeHash: string;
  /** The code's beginning, to tell vouchers apart. */
  readonly label: string;
  readonly amountNusd: NanoUsd;
  /** Accounts that may redeem it, each once. */
  readonly redemptionsMax: number;
  readonly expiresAtMs: EpochMs | null;
  readonly note: string;
}

export interface VoucherView extends Omit<NewVoucher, "codeHash"> {
  readonly createdAtMs: EpochMs;
  readonly redemptions: number;
}

export interface Redemption {
  readonly voucherId: string;
  readonly amountNusd: NanoUsd;
  /** The account's balance right after. */
  readonly balanceNusd: NanoUsd;
}

export interface VoucherGateRpc {
  /** @returns `conflict` for a code that is taken, or when there are too many vouchers. */
  create(voucher: NewVoucher): Promise<Result<VoucherView, RouterError>>;
  /** Newest first, those before `beforeId` if it is given. */
  list(beforeId: string | null, limit: number): Promise<readonly VoucherView[]>;
  /**
   * Credits the account, once. @returns `not_found` for an unknown code; `conflict` for one that is expired, used up, or
   * redeemed by this account before; `storage` when the credit has to wait: it will come.
   */
  redeem(codeHash: string, account: AccountId): Promise<Result<Redemption, RouterError>>;
}
