/**
 * Answers kept for a repeated request (see account-replies-contract.ts), on the gate's storage. Synchronous, but for the
 * wait of one request for another.
 *
 * Kept for KEPT_MS from the first claim. All pieces of an account take at most TOTAL_BYTES_MAX: the oldest answers go
 * first, and leave their outcome, so that a repeat is refused rather than charged again. Outcomes number at most
 * OUTCOMES_MAX; beyond, the oldest are forgotten.
 * One charge: once the gate has taken a charge for a generation, no claim on its reply lets anybody work on it again,
 * whatever becomes of the one who did.
 */
import type { Clock, EpochMs } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { GenerationId } from "../core/ids.ts";
import type { Result } from "../core/result.ts";
import { completionTokens } from "../core/usage.ts";
import type { Settlement } from "./account-contract.ts";
import type { ReplyAnswer, ReplyClaim, ReplyCommand } from "./account-replies-contract.ts";
import { openReplyStore, PIECES_MAX, type ReplyRow, type ReplyStore } from "./account-replies-store.ts";

/** How long an answer is kept for a repeat. */
export const KEPT_MS = 24 * 3_600_000;
/** How long a claim lives without renewal; whoever works renews every 10 s. */
export const CLAIM_LIFE_MS = 30_000;
/** Largest sealed piece; a row of the storage holds 2 MB. */
const PIECE_BYTES_MAX = 1_100_000;
export const TOTAL_BYTES_MAX = 64 * 1024 * 1024;
const OUTCOMES_MAX = 100_000;
/** Longest wait of one call for another request; and so many calls wait at once. */
const WAIT_MS_MAX = 10_000;
const WAITERS_MAX = 500;
/** Rows looked at in one go when something is to be forgotten. */
const FORGET_MAX = 200;

type Command<Kind extends ReplyCommand["kind"]> = Extract<ReplyCommand, { readonly kind: Kind }>;

export interface Replies {
  claim(command: Command<"claim">, isZeroRetention: boolean, nowMs: EpochMs): ReplyClaim;
  /** Waits for the one who works on `id`, at most `waitMs`. @returns whether it ended. */
  ended(id: string, waitMs: number): Promise<boolean>;
  answer(command: Exclude<ReplyCommand, { readonly kind: "claim" }>, nowMs: EpochMs): ReplyAnswer;
  /** Remembers which running replies were charged. Called in the turn that takes the settlements. */
  noteSettled(settlements: readonly Settlement[]): void;
  /** Forgets what is older than KEPT_MS. */
  forget(nowMs: EpochMs): void;
  /** When there is something to forget; null: never. */
  nextDueMs(): EpochMs | null;
}

interface Memory {
  readonly store: ReplyStore;
  /** False until the first claim makes the tables. */
  isOpen: boolean;
  count: number;
  sizeBytes: number;
  lastN: number;
  /** Running replies by generation: what a settlement is about. */
  readonly running: Map<GenerationId, string>;
  readonly waiters: Map<string, Set<() => void>>;
  waiting: number;
}

/** The kept answers of one account. */
export function createReplies(storage: DurableObjectStorage): Replies {
  const store = openReplyStore(storage);
  const memory: Memory = {
    store,
    isOpen: false,
    count: 0,
    sizeBytes: 0,
    lastN: 0,
    running: new Map(),
    waiters: new Map(),
    waiting: 0,
  };
  if (store.exists()) load(memory);
  return {
    claim: (command, isZeroRetention, nowMs) => safely(memory, () => claim(memory, command, isZeroRetention, nowMs)),
    ended: (id, waitMs) => ended(memory, id, waitMs),
    answer: (command, nowMs) => (memory.isOpen ? safely(memory, () => answer(memory, command, nowMs)) : GONE),
    noteSettled: (settlements) => noteSettled(memory, settlements),
    forget: (nowMs) => forget(memory, nowMs),
    nextDueMs: () => {
      const [oldest] = memory.isOpen && memory.count > 0 ? store.oldest(1, false) : [];
      return oldest === undefined ? null : oldest.createdAtMs + KEPT_MS;
    },
  };
}

/**
 * Claims for one request, and waits while another one works on the same reply: at most the command's `waitMs`, and
 * WAIT_MS_MAX. `tryClaim` is one claim, judged anew each time.
 */
export async function claimOrWait(
  replies: Pick<Replies, "ended">,
  command: Command<"claim">,
  tryClaim: () => Promise<Result<ReplyClaim, RouterError>>,
  clock: Clock,
): Promise<Result<ReplyClaim, RouterError>> {
  let leftMs = Math.min(command.waitMs, WAIT_MS_MAX);
  for (;;) {
    const claimed = await tryClaim();
    if (!claimed.ok || claimed.value.kind !== "running" || leftMs <= 0) return claimed;
    // A claim may end before, with nobody to tell.
    const waitMs = Math.max(1, Math.min(leftMs, claimed.value.leaseUntilMs - clock()));
    if (!(await replies.ended(command.id, waitMs))) leftMs -= waitMs;
  }
}

/** After a throw, memory is what storage says. */
function safely<T>(memory: Memory, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (memory.store.exists()) load(memory);
    throw error;
  }
}

const DONE: ReplyAnswer = { kind: "done" };
const GONE: ReplyAnswer = { kind: "gone" };

function load(memory: Memory): void {
  const { count, size_bytes: sizeBytes, last } = memory.store.totals();
  memory.isOpen = true;
  memory.count = count;
  memory.sizeBytes = sizeBytes;
  memory.lastN = last;
  memory.running.clear();
  for (const row of memory.store.running()) memory.running.set(row.generationId, row.id);
}

function claim(memory: Memory, command: Command<"claim">, isZeroRetention: boolean, nowMs: EpochMs): ReplyClaim {
  const { store } = memory;
  if (!memory.isOpen) {
    store.create();
    load(memory);
  }
  forget(memory, nowMs);
  const { id, fingerprint, owner, generationId } = command;
  const found = store.find(id);
  if (found !== undefined) {
    if (found.fingerprint !== fingerprint) return { kind: "mismatch" };
    const known = knownClaim(memory, found, owner, isZeroRetention, nowMs);
    if (known !== null) return known;
  }
  memory.lastN = found === undefined ? memory.lastN + 1 : memory.lastN;
  if (found === undefined) memory.count++;
  else memory.running.delete(found.generationId);
  store.atomically(() => {
    if (found !== undefined) store.deletePieces(found.n);
    store.write({
      n: found?.n ?? memory.lastN,
      id,
      createdAtMs: found?.createdAtMs ?? nowMs,
      sizeBytes: 0,
      fingerprint,
      state: "running",
      owner,
      leaseUntilMs: nowMs + CLAIM_LIFE_MS,
      generationId,
      isCharged: false,
      pieces: 0,
      reason: null,
    });
  });
  memory.running.set(generationId, id);
  return { kind: "mine", isZeroRetention };
}

/** What is known of a reply; null when nobody works on it any more and it may be worked on anew. */
function knownClaim(
  memory: Memory,
  row: ReplyRow,
  owner: string,
  isZeroRetention: boolean,
  nowMs: EpochMs,
): ReplyClaim | null {
  switch (row.state) {
    case "running":
      // The answer to the claim was lost, and it is asked for again.
      if (row.owner === owner) return { kind: "mine", isZeroRetention };
      if (row.leaseUntilMs > nowMs) return { kind: "running", leaseUntilMs: row.leaseUntilMs };
      return row.isCharged ? withhold(memory, row, "unstored") : null;
    case "withheld":
      return withheldClaim(row);
    case "stored": {
      const first = memory.store.readPiece(row.n, 0);
      return first === undefined ? withheldClaim(row) : { kind: "stored", pieces: row.pieces, first };
    }
    default:
      return row.state satisfies never;
  }
}

function withheldClaim({ reason, generationId }: ReplyRow): ReplyClaim {
  return { kind: "withheld", reason: reason ?? "unstored", generationId };
}

/** Leaves nothing of an answer but its outcome. */
function withhold(memory: Memory, row: ReplyRow, reason: NonNullable<ReplyRow["reason"]>): ReplyClaim {
  const { store } = memory;
  const withheld: ReplyRow = { ...row, state: "withheld", reason, sizeBytes: 0, pieces: 0 };
  store.atomically(() => {
    store.deletePieces(row.n);
    store.write(withheld);
  });
  memory.sizeBytes -= row.sizeBytes;
  memory.running.delete(row.generationId);
  return withheldClaim(withheld);
}

/** @returns whether it ended; false when the time was over first. */
async function ended(memory: Memory, id: string, waitMs: number): Promise<boolean> {
  if (memory.waiting >= WAITERS_MAX || waitMs <= 0) return false;
  const waiters = memory.waiters.get(id) ?? new Set();
  memory.waiters.set(id, waiters);
  memory.waiting++;
  return await new Promise<boolean>((resolve) => {
    const stop = (hasEnded: boolean): void => {
      clearTimeout(timer);
      waiters.delete(wakeUp);
      if (waiters.size === 0 && memory.waiters.get(id) === waiters) memory.waiters.delete(id);
      memory.waiting--;
      resolve(hasEnded);
    };
    const wakeUp = (): void => stop(true);
    const timer = setTimeout(() => stop(false), waitMs);
    waiters.add(wakeUp);
  });
}

function answer(
  memory: Memory,
  command: Exclude<ReplyCommand, { readonly kind: "claim" }>,
  nowMs: EpochMs,
): ReplyAnswer {
  const { store } = memory;
  const row = store.find(command.id);
  if (row === undefined) return GONE;
  if (command.kind === "read") {
    const bytes = row.state === "stored" ? store.readPiece(row.n, command.at) : undefined;
    return bytes === undefined ? GONE : { kind: "piece", bytes };
  }
  if (row.owner !== command.owner) return GONE;
  // The answer was lost, and it is asked for again.
  if (row.state !== "running") return command.kind === "finish" ? DONE : GONE;
  switch (command.kind) {
    case "renew":
      store.write({ ...row, leaseUntilMs: nowMs + CLAIM_LIFE_MS });
      return DONE;
    case "write": {
      if (command.at < 0 || command.at >= PIECES_MAX || command.bytes.byteLength > PIECE_BYTES_MAX) return GONE;
      store.writePiece(row.n, command.at, command.bytes);
      return DONE;
    }
    case "drop":
      drop(memory, row);
      return DONE;
    case "finish":
      return finish(memory, row, command);
    default:
      return command satisfies never;
  }
}

function finish(memory: Memory, row: ReplyRow, { pieces, withheld }: Command<"finish">): ReplyAnswer {
  const { store } = memory;
  const written = store.sizeOf(row.n);
  if (withheld !== null || written.pieces !== pieces || pieces === 0) {
    withhold(memory, row, withheld ?? "unstored");
  } else {
    store.write({ ...row, state: "stored", pieces, sizeBytes: written.sizeBytes });
    memory.sizeBytes += written.sizeBytes;
    memory.running.delete(row.generationId);
    makeRoom(memory);
  }
  wake(memory, row.id);
  return DONE;
}

/** Nothing came of it: the next one may try. What was charged is never worked on again. */
function drop(memory: Memory, row: ReplyRow): void {
  if (row.isCharged) withhold(memory, row, "unstored");
  else remove(memory, row);
  wake(memory, row.id);
}

function remove(memory: Memory, row: ReplyRow): void {
  const { store } = memory;
  store.atomically(() => {
    store.deletePieces(row.n);
    store.delete(row.n);
  });
  memory.count--;
  memory.sizeBytes -= row.sizeBytes;
  memory.running.delete(row.generationId);
}

function wake(memory: Memory, id: string): void {
  for (const end of memory.waiters.get(id) ?? []) end();
}

/** The oldest answers make room for the newest, and leave their outcome. */
function makeRoom(memory: Memory): void {
  while (memory.sizeBytes > TOTAL_BYTES_MAX) {
    const [oldest] = memory.store.oldest(1, true);
    if (oldest === undefined) return;
    withhold(memory, oldest, "evicted");
  }
}

function noteSettled(memory: Memory, settlements: readonly Settlement[]): void {
  if (memory.running.size === 0) return;
  for (const { generationId, costNusd, record } of settlements) {
    const id = memory.running.get(generationId);
    if (id === undefined || record === null) continue;
    // With an own credential the provider charges the tenant itself.
    if (costNusd <= 0n && !(completionTokens(record.usage) > 0)) continue;
    const row = memory.store.find(id);
    if (row?.state === "running" && !row.isCharged) memory.store.write({ ...row, isCharged: true });
  }
}

function forget(memory: Memory, nowMs: EpochMs): void {
  if (memory.count === 0) return;
  const surplus = memory.count - OUTCOMES_MAX;
  const isOver = (row: ReplyRow): boolean => row.createdAtMs + KEPT_MS <= nowMs;
  // Nearly always there is nothing to do, and one row says so.
  if (surplus <= 0 && !memory.store.oldest(1, false).some(isOver)) return;
  for (const [at, row] of memory.store.oldest(FORGET_MAX, false).entries()) {
    if (at >= surplus && !isOver(row)) return;
    remove(memory, row);
    wake(memory, row.id);
  }
}
