/**
 * AccountGate: the one object that may spend for an account. Named by the account's id; made by the first use of one of
 * its keys. This class only loads, calls the rules beside it, and keeps the appointments: when to flush, which holds
 * have ended. Between a check and its write it never waits.
 * Everything that must survive is in its SQLite before a caller hears of it (the platform holds replies back until
 * writes are durable); a restart releases nothing and forgets nothing.
 */
import { DurableObject } from "cloudflare:workers";
import { setName, setSuspended } from "../accounts/accounts.ts";
import { NO_BYOK, type ByokGrant } from "../accounts/byok.ts";
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import { asAccountId, type GenerationId, type KeyHash } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { assert, err, ok, type Result } from "../core/result.ts";
import { systemClock } from "../core/system.ts";
import type { BookedGeneration } from "../insight/generations.ts";
import type { LeaseReport } from "../ledger/lease.ts";
import { openBooks } from "../ledger/shards.ts";
import { auditAccount } from "./account-audit.ts";
import { branchNews, createAccountBranches } from "./account-branches.ts";
import { byokGrant, manageByok, passByokOn, type ByokTerms } from "./account-byok.ts";
import type { ByokCommand, ByokView } from "./account-byok-contract.ts";
import { byokTermsOf } from "./account-byok-terms.ts";
import {
  type AccountAudit,
  type AccountGateRpc,
  type AccountLimitsChange,
  type AccountView,
  type Admission,
  type AdmitRequest,
  type BranchCaller,
  type CreditReceipt,
  type CreditRequest,
  type Extension,
  HOLD_LIFE_MS,
  type Identity,
  type KeyChange,
  type KeyView,
  type LimitsOwner,
  type NewKey,
  type RotatedKey,
  type Settlement,
  type SettleReceipt,
} from "./account-contract.ts";
import { finishCredit, pendingCredits, recordCredit } from "./account-credit.ts";
import { extend } from "./account-extend.ts";
import { generationIn } from "./account-flush.ts";
import { createKey, deleteKey, keyView, listKeys, readKey, rotateKey, updateKey, usableKey } from "./account-keys.ts";
import { isZeroRetention, limitAccount } from "./account-limits.ts";
import { takeOver } from "./account-load.ts";
import { endExpiredLeases } from "./account-leases.ts";
import { endExpiredHolds, keepAccount, loadMemory, type AccountMemory } from "./account-memory.ts";
import { SETTLED_KEPT_MS } from "./account-recent.ts";
import { admit, renew } from "./account-admit.ts";
import { settle } from "./account-settle.ts";
import type { PaymentAnswer, PaymentCommand } from "./account-payments-contract.ts";
import { createPaymentsDesk } from "./account-payments-desk.ts";
import { createPosting, NO_BOOKS } from "./account-posting.ts";
import { createProviderStates } from "./account-provider-state.ts";
import type { ProviderStateAnswer, ProviderStateCommand } from "./account-provider-state-contract.ts";
import type { PresetAnswer, PresetCommand } from "./account-presets-contract.ts";
import { createPresets } from "./account-presets.ts";
import type { CreditRow } from "./account-rows.ts";
import type { ReplyAnswer, ReplyCommand } from "./account-replies-contract.ts";
import { claimOrWait, createReplies } from "./account-replies.ts";
import { openAccountStore, seqAt, type AccountStore } from "./account-store.ts";
import { accountView } from "./account-view.ts";
import { createCrowd } from "./crowd.ts";
import { gatePayments, type Payments } from "./payments.ts";

/** How long an unknown account is remembered as such: forged accounts cost no D1 read each, a new one waits no longer. */
const UNKNOWN_MS = 2_000;
export class AccountGate extends DurableObject<Env> implements AccountGateRpc {
  /** Fields, so that a test can say the time aloud and let D1 fail; not reachable by RPC. */
  clock: Clock = systemClock;
  books: D1Database = openBooks({ ...this.env }).of(asAccountId(this.ctx.id.name ?? "")).db;
  byokTerms: ByokTerms = byokTermsOf(this.env);
  /** Null: this deployment takes no payments. */
  payments: Payments | null = gatePayments(this.env);

  private readonly store: AccountStore = openAccountStore(this.ctx.storage);
  /** Null until woken; one object from then on, refilled from storage after a throw. */
  private memory: AccountMemory | null = null;
  private opening: Promise<Result<AccountMemory, RouterError>> | null = null;
  private unknownUntilMs: EpochMs = 0;
  private alarmAtMs: EpochMs | null = null;
  private readonly posting = createPosting({
    clock: () => this.clock(),
    books: () => this.books,
    opened: async () => await this.opened(),
  });
  private readonly crowd = createCrowd();
  private readonly branches = createAccountBranches();
  private readonly desk = createPaymentsDesk({
    payments: () => this.payments,
    books: () => this.books,
    clock: () => this.clock(),
    with: async (rule) => await this.with(rule),
    inTurn: this.posting.inTurn,
    finish: async (memory, row) => await this.finish(memory, row),
    wakeBy: (atMs) => this.wakeBy(atMs),
    waitUntil: (work) => this.ctx.waitUntil(work),
  });
  private readonly keptReplies = createReplies(this.ctx.storage);
  private readonly providerStates = createProviderStates(this.ctx.storage);
  private readonly keptPresets = createPresets(this.ctx.storage);

  async admit(request: AdmitRequest, caller?: BranchCaller): Promise<Admission> {
    const news = branchNews(this.branches, caller, this.clock());
    await this.crowd(this.clock());
    const answer = await this.with((memory): Admission => {
      const grant = byokGrant(memory, request.byokToken ?? NO_BYOK, this.byokTerms, this.clock());
      if (grant !== undefined && usableKey(memory, request.keyHash, this.clock()).ok) return { kind: "byok", grant };
      const admission = admit(memory, request, this.clock());
      if (admission.kind === "admitted") this.wakeBy(admission.expiresAtMs);
      return admission;
    });
    return { ...(answer.ok ? answer.value : { kind: "refused", error: answer.error }), ...news };
  }

  async extend(extension: Extension): Promise<NanoUsd> {
    const held = await this.with((memory) => extend(memory, extension, this.clock()));
    if (!held.ok || held.value === 0n) return 0n;
    this.wakeBy(this.clock() + HOLD_LIFE_MS);
    return held.value;
  }

  async renew(generationIds: readonly GenerationId[]): Promise<void> {
    await this.with((memory) => renew(memory, generationIds, this.clock()));
  }

  async settle(
    settlements: readonly Settlement[],
    reports: readonly LeaseReport[] = [],
    caller?: BranchCaller,
  ): Promise<SettleReceipt> {
    const news = branchNews(this.branches, caller, this.clock());
    const answer = await this.with((memory) => {
      const byokToken = byokGrant(memory, NO_BYOK, this.byokTerms, this.clock())?.token ?? NO_BYOK;
      const receipt = settle(memory, settlements, this.clock(), reports, byokToken);
      this.keptReplies.noteSettled(settlements);
      if (memory.outboxCount > 0) this.wakeBy(this.posting.dueMs());
      this.wakeBy(this.desk.dueMs(memory));
      return receipt;
    });
    return { ...(answer.ok ? answer.value : { acknowledged: [], leases: [] }), ...news };
  }

  async replies(command: ReplyCommand): Promise<Result<ReplyAnswer, RouterError>> {
    if (command.kind !== "claim") return await this.with(() => this.keptReplies.answer(command, this.clock()));
    const tryClaim = async () =>
      await this.flatWith((memory) => {
        const key = usableKey(memory, command.keyHash, this.clock());
        if (!key.ok) return key;
        const claim = this.keptReplies.claim(command, isZeroRetention(memory.account), this.clock());
        this.wakeBy(this.keptReplies.nextDueMs());
        return ok(claim);
      });
    return await claimOrWait(this.keptReplies, command, tryClaim, this.clock);
  }

  async providerState(command: ProviderStateCommand): Promise<Result<ProviderStateAnswer, RouterError>> {
    return await this.flatWith((memory) => {
      const answer = this.providerStates.answer(memory, command, this.clock());
      this.wakeBy(this.providerStates.nextDueMs());
      return answer;
    });
  }

  async identify(keyHash: KeyHash): Promise<Result<Identity, RouterError>> {
    return await this.flatWith((memory) => {
      const key = usableKey(memory, keyHash, this.clock());
      return key.ok
        ? ok({ key: keyView(memory, key.value, this.clock()), account: accountView(memory, this.clock()) })
        : key;
    });
  }

  async view(): Promise<Result<AccountView, RouterError>> {
    return await this.with((memory) => accountView(memory, this.clock()));
  }

  async suspend(isSuspended: boolean): Promise<Result<AccountView, RouterError>> {
    const opened = await this.opened();
    if (!opened.ok) return opened;
    // D1 first: a gate that starts over takes it from there.
    const isKnown = await setSuspended(this.books, opened.value.account.id, isSuspended).catch(() => undefined);
    if (isKnown === undefined) return err(NO_BOOKS);
    return await this.with((memory) => {
      keepAccount(memory, { ...memory.account, isSuspended });
      return accountView(memory, this.clock());
    });
  }

  async rename(name: string): Promise<Result<AccountView, RouterError>> {
    const opened = await this.opened();
    if (!opened.ok) return opened;
    const isKnown = await setName(this.books, opened.value.account.id, name).catch(() => undefined);
    if (isKnown === undefined) return err(NO_BOOKS);
    return await this.with((memory) => {
      keepAccount(memory, { ...memory.account, name });
      return accountView(memory, this.clock());
    });
  }

  async limitAccount(owner: LimitsOwner, change: AccountLimitsChange): Promise<Result<AccountView, RouterError>> {
    return await this.flatWith((memory) => {
      const limited = limitAccount(memory, owner, change, this.clock());
      return limited.ok ? ok(accountView(memory, this.clock())) : limited;
    });
  }

  async listKeys(): Promise<Result<readonly KeyView[], RouterError>> {
    return await this.with((memory) => listKeys(memory, this.clock()));
  }

  async readKey(hash: KeyHash): Promise<Result<KeyView, RouterError>> {
    return await this.flatWith((memory) => readKey(memory, hash, this.clock()));
  }

  async createKey(key: NewKey): Promise<Result<KeyView, RouterError>> {
    return await this.flatWith((memory) => createKey(memory, key, this.clock()));
  }

  async updateKey(hash: KeyHash, change: KeyChange): Promise<Result<KeyView, RouterError>> {
    return await this.flatWith((memory) => updateKey(memory, hash, change, this.clock()));
  }

  async deleteKey(hash: KeyHash): Promise<Result<null, RouterError>> {
    return await this.flatWith((memory) => deleteKey(memory, hash));
  }

  async rotateKey(hash: KeyHash, next: RotatedKey, overlapS: number): Promise<Result<KeyView, RouterError>> {
    return await this.flatWith((memory) => {
      const rotated = rotateKey(memory, hash, next, overlapS, this.clock());
      if (rotated.ok) passByokOn(memory, hash, rotated.value.hash);
      return rotated;
    });
  }

  async byok(command: ByokCommand): Promise<Result<readonly ByokView[], RouterError>> {
    return await this.flatWith((memory) => manageByok(memory, command, this.clock()));
  }

  async byokGrant(token: string): Promise<Result<ByokGrant | null, RouterError>> {
    return await this.with((memory) => byokGrant(memory, token, this.byokTerms, this.clock()) ?? null);
  }

  async presets(command: PresetCommand): Promise<Result<PresetAnswer, RouterError>> {
    return await this.flatWith(() => this.keptPresets(command, this.clock()));
  }

  async credit(request: CreditRequest): Promise<Result<CreditReceipt, RouterError>> {
    return await this.posting.inTurn(async (memory) => {
      const row = await recordCredit(memory, request, this.books, this.clock);
      return row.ok ? ok(await this.finish(memory, row.value)) : row;
    });
  }

  async payment(command: PaymentCommand): Promise<Result<PaymentAnswer, RouterError>> {
    return await this.desk.answer(command);
  }

  async generation(id: GenerationId): Promise<Result<BookedGeneration | null, RouterError>> {
    return await this.with((memory) => {
      const row = memory.store.findOutbox(memory.flushedSeq, id);
      return (row === undefined ? undefined : generationIn(row, id)) ?? null;
    });
  }

  async audit(): Promise<Result<AccountAudit, RouterError>> {
    return await this.posting.inTurn(async (memory) =>
      ok(await auditAccount(memory, this.books, this.clock, this.posting.trouble())),
    );
  }

  /** Ends holds, finishes credits, flushes, forgets; then makes the next appointment. */
  override async alarm(): Promise<void> {
    this.alarmAtMs = null;
    const opened = await this.opened();
    if (!opened.ok) {
      // Only D1 can be in the way here, since an account without storage has no alarm.
      this.wakeBy(this.posting.retryAtMs());
      return;
    }
    const memory = opened.value;
    try {
      await this.with(() => {
        endExpiredHolds(memory, this.clock());
        endExpiredLeases(memory, this.clock());
      });
      await this.posting.catchUp();
      this.desk.topUp(memory);
    } finally {
      memory.store.forgetSettles(this.clock() - SETTLED_KEPT_MS);
      this.keptReplies.forget(this.clock());
      this.providerStates.forget(this.clock());
      this.wakeBy(this.nextDueMs(memory));
    }
  }

  /** Finishes a movement now, or by the alarm when D1 doesn't answer. */
  private async finish(memory: AccountMemory, row: CreditRow): Promise<CreditReceipt> {
    if (row.balanceAfterNusd === null) this.wakeBy(this.posting.retryAtMs());
    return await finishCredit(memory, row, this.books);
  }

  private nextDueMs(memory: AccountMemory): EpochMs | null {
    const nowMs = this.clock();
    const oldest = memory.store.oldestSeq();
    const times = [...memory.holds.values()].map((hold) => hold.expiresAtMs);
    for (const lease of memory.leases.values()) times.push(lease.settleUntilMs);
    if (memory.outboxCount > 0 || pendingCredits(memory).length > 0) times.push(this.posting.dueMs());
    // Settled ids are forgotten by the hour, not one by one.
    if (oldest !== null) times.push(Math.max(nowMs, oldest / seqAt(1)) + SETTLED_KEPT_MS);
    const topUpMs = this.desk.dueMs(memory);
    if (topUpMs !== null) times.push(topUpMs);
    for (const dueMs of [this.keptReplies.nextDueMs(), this.providerStates.nextDueMs()]) {
      if (dueMs !== null) times.push(Math.max(nowMs, dueMs));
    }
    return times.length === 0 ? null : times.reduce((least, time) => Math.min(least, time));
  }

  /** Makes sure that the alarm rings by then. One appointment at a time: setting one is a row written. */
  private wakeBy(atMs: EpochMs | null): void {
    if (atMs === null || (this.alarmAtMs !== null && this.alarmAtMs <= atMs)) return;
    this.alarmAtMs = atMs;
    // The write is covered by the output gate like any other; its promise says nothing more.
    void this.ctx.storage.setAlarm(atMs);
  }

  /** Runs a synchronous rule on the account. After a throw, memory is what storage says. */
  private async with<T>(rule: (memory: AccountMemory) => T): Promise<Result<T, RouterError>> {
    const opened = await this.opened();
    if (!opened.ok) return opened;
    try {
      return ok(rule(opened.value));
    } catch (error) {
      // The transaction was undone, so storage has the say again. Whoever waits for D1 holds the same object.
      Object.assign(opened.value, loadMemory(this.store));
      throw error;
    }
  }

  private async flatWith<T>(rule: (memory: AccountMemory) => Result<T, RouterError>): Promise<Result<T, RouterError>> {
    const answer = await this.with(rule);
    return answer.ok ? answer.value : answer;
  }

  private async opened(): Promise<Result<AccountMemory, RouterError>> {
    if (this.memory !== null) return ok(this.memory);
    if (this.store.exists()) return ok(this.awake());
    if (this.clock() < this.unknownUntilMs) return err(NO_ACCOUNT);
    this.opening ??= this.firstUse().finally(() => {
      this.opening = null;
    });
    return await this.opening;
  }

  private async firstUse(): Promise<Result<AccountMemory, RouterError>> {
    const { name } = this.ctx.id;
    assert(name !== undefined, "an account's gate is named by the account");
    const id = asAccountId(name);
    const isKnown = await takeOver(this.store, this.books, id, this.clock()).catch(() => undefined);
    if (isKnown === undefined) return err(NO_BOOKS);
    if (isKnown) return ok(this.awake());
    this.unknownUntilMs = this.clock() + UNKNOWN_MS;
    return err(NO_ACCOUNT);
  }

  private awake(): AccountMemory {
    this.store.upgrade();
    const memory = loadMemory(this.store);
    this.memory = memory;
    // The appointment made before is still kept, but its time is not known here: make one that is early enough.
    this.alarmAtMs = null;
    this.wakeBy(this.nextDueMs(memory));
    return memory;
  }
}

const NO_ACCOUNT: RouterError = { kind: "unauthenticated", message: "No valid API key was given." };
