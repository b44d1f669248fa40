/**
 * One interleaving of everything that can happen to an account's money: two isolates with their leases, a gate, D1, and
 * a network between them that delays, repeats, reorders and loses. Requests, settles, renewals, top-ups, debits, changes
 * of keys, deaths of isolates, restarts and failing transactions of the gate, and time come in an order that the seed
 * draws. The isolates' and the gate's code is the product's (gates/account-isolate.ts, account-admit.ts,
 * account-settle.ts); what is checked after each step is in check.ts. In the end everything is brought home and compared
 * with the books.
 */
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { asGenerationId, type GenerationId, type KeyHash } from "../../src/core/ids.ts";
import type { AdmitRequest, Admission, Extension, SettleReceipt } from "../../src/gates/account-contract.ts";
import {
  finishCredit,
  onlyOf,
  pendingCredits,
  recordMovements,
  type NamedMovement,
} from "../../src/gates/account-credit.ts";
import { flushOnce } from "../../src/gates/account-flush.ts";
import {
  abandon,
  admitFromLease,
  askForLease,
  dueCall,
  enqueue,
  extendFromLease,
  extensionOf,
  giveUp,
  idleCall,
  newIsolateAccount,
  renewalCall,
  takeAdmission,
  takeExtension,
  takeReceipt,
  type IsolateAccount,
  type SettleCall,
} from "../../src/gates/account-isolate.ts";
import { extend } from "../../src/gates/account-extend.ts";
import { deleteKey, updateKey } from "../../src/gates/account-keys.ts";
import { endExpiredLeases } from "../../src/gates/account-leases.ts";
import { endExpiredHolds, keepAccount, type AccountMemory } from "../../src/gates/account-memory.ts";
import { admit, renew } from "../../src/gates/account-admit.ts";
import { settle } from "../../src/gates/account-settle.ts";
import { SETTLE_MS } from "../../src/ledger/lease.ts";
import { check, checkStep, checkEnd, type Ledger } from "./check.ts";
import { KEYS, type Ground, type ModelAccount } from "./gate.ts";
import { settlementOf } from "./settlement.ts";

const STEPS_MIN = 15;
const STEPS_MAX = 55;
const ISOLATES = 2;
/** Times that an unanswered call is made at the end, when nothing is lost any more. */
const TRIES_AT_END = 20;

/** What of the machinery a run has used, for the report. */
export interface Uses {
  steps: number;
  warm: number;
  cold: number;
  refused: number;
  grown: number;
  leases: number;
  settled: number;
  closed: number;
  expired: number;
  deaths: number;
  restarts: number;
}

export const NO_USES: Uses = {
  steps: 0,
  warm: 0,
  cold: 0,
  refused: 0,
  grown: 0,
  leases: 0,
  settled: 0,
  closed: 0,
  expired: 0,
  deaths: 0,
  restarts: 0,
};

/** A generation that was admitted, as its isolate knows it. */
interface Open {
  readonly id: GenerationId;
  readonly key: KeyHash;
  /** As last heard of. */
  heldNusd: bigint;
}

export interface Isolate {
  readonly state: IsolateAccount;
  readonly open: Open[];
  isAlive: boolean;
}

/** A message to the gate; its isolate may have given it up, or be dead. */
type Message = { readonly from: Isolate; isAnswered: boolean } & (
  | { readonly kind: "admit"; readonly request: AdmitRequest; readonly sentAtMs: number }
  | { readonly kind: "extend"; readonly extension: Extension }
  | { readonly kind: "settle"; readonly call: SettleCall }
);

/** An answer on its way; null: the isolate finds out that there is none. */
type Reply = { readonly message: Message } & (
  | { readonly kind: "admit"; readonly admission: Admission | null }
  | { readonly kind: "extend"; readonly heldNusd: bigint }
  | { readonly kind: "settle"; readonly receipt: SettleReceipt | null }
);

export interface World {
  readonly account: ModelAccount;
  readonly random: Random;
  memory: AccountMemory;
  nowMs: number;
  isolates: Isolate[];
  readonly messages: Message[];
  readonly replies: Reply[];
  readonly ledger: Ledger;
  readonly uses: Uses;
  count: number;
  leaseCount: number;
}

/** Runs the interleaving that `seed` names. Throws an Error with a sentence when an invariant breaks. */
export async function runOnce(seed: string, ground: Ground, uses: Uses): Promise<void> {
  const random = seededRandom(seed);
  const nowMs = Date.UTC(2026, 10, 21, 12);
  const account = ground.newAccount(BigInt(500 + Math.floor(random() * 4_000)), nowMs);
  const world: World = {
    account,
    random,
    memory: account.load(),
    nowMs,
    isolates: Array.from({ length: ISOLATES }, () => newIsolate(nowMs)),
    messages: [],
    replies: [],
    ledger: { charged: new Map(), costs: new Map(), credits: new Map(), uncoveredNusd: 0n },
    uses,
    count: 0,
    leaseCount: 0,
  };
  await giveOrTake(world, BigInt(200 + upTo(world, 30_000)));
  const steps = STEPS_MIN + upTo(world, STEPS_MAX - STEPS_MIN);
  for (let step = 0; step < steps; step++) {
    const { balanceNusd, debitsNusd } = world.memory.account;
    const event = drawn(world);
    try {
      await event(world);
    } catch (error) {
      if (!(error instanceof Error) || error.message !== "the storage failed") throw error;
      // As the gate does: what storage says has the say again.
      Object.assign(world.memory, account.load());
    }
    uses.steps++;
    checkStep(world, balanceNusd, debitsNusd);
  }
  await bringHome(world);
  await checkEnd(world);
}

type Event = (world: World) => void | Promise<void>;

/** Events and how often they come. */
const EVENTS: readonly (readonly [number, Event])[] = [
  [26, ask],
  [18, deliver],
  [18, reply],
  [10, end],
  [8, grow],
  [9, (world) => withIsolate(world, (isolate) => send(world, isolate, dueCall(isolate.state, world.nowMs)))],
  [3, (world) => withIsolate(world, (isolate) => send(world, isolate, idleCall(isolate.state, false, world.nowMs)))],
  [1, (world) => withIsolate(world, (isolate) => send(world, isolate, idleCall(isolate.state, true, world.nowMs)))],
  [1, (world) => withIsolate(world, (isolate) => send(world, isolate, renewalCall(isolate.state, world.nowMs)))],
  [1, (world) => withIsolate(world, ({ state }) => renew(world.memory, [...state.open.keys()], world.nowMs))],
  [4, lose],
  [1, loseSettle],
  [1, loseGeneration],
  [1, die],
  [2, restart],
  [1, (world) => world.account.failNext(true)],
  [5, passTime],
  [2, expire],
  [2, async (world) => await giveOrTake(world, BigInt(1 + upTo(world, 3_000)))],
  [1, async (world) => await giveOrTake(world, -BigInt(1 + upTo(world, 3_000)))],
  [1, repeatMovement],
  [1, changeKey],
  [1, (world) => void (world.account.books.next = world.random() < 0.5 ? "before" : "after")],
  [2, flush],
];
const WEIGHT = EVENTS.reduce((sum, [weight]) => sum + weight, 0);

function drawn({ random }: World): Event {
  let at = random() * WEIGHT;
  for (const [weight, event] of EVENTS) {
    at -= weight;
    if (at < 0) return event;
  }
  return passTime;
}

/** One to four requests of one key come to one isolate at once. */
function ask(world: World): void {
  const keyHash = world.random() < 0.75 ? KEYS[0] : KEYS[1];
  const requests = 1 + upTo(world, 4);
  withIsolate(world, (isolate) => {
    for (let count = 0; count < requests; count++) askOnce(world, isolate, keyHash);
  });
}

function askOnce(world: World, isolate: Isolate, keyHash: KeyHash): void {
  const id = asGenerationId(`gen-${Math.floor(world.nowMs / 1000)}-${String(world.count++).padStart(20, "0")}`);
  const wantedNusd = BigInt(1 + upTo(world, 40));
  const request: AdmitRequest = {
    keyHash,
    generationId: id,
    isFree: false,
    wantedNusd,
    minimumNusd: world.random() < 0.5 ? wantedNusd : 1n,
    footprint: { models: [], providers: [], tokens: { wanted: 1, minimum: 1 } },
  };
  const warm = admitFromLease(isolate.state, request, world.nowMs);
  if (warm === null) return askGate(world, isolate, request, false);
  check(warm.kind === "admitted", "a lease never refuses");
  world.uses.warm++;
  isolate.open.push({ id, key: request.keyHash, heldNusd: warm.holdNusd });
}

function askGate(world: World, from: Isolate, request: AdmitRequest, givesAll: boolean): void {
  const newId = (): string => `isolate.${++world.leaseCount}`;
  const lease = askForLease(from.state, request, newId, givesAll, world.nowMs);
  const asking = { ...request, lease };
  world.messages.push({ kind: "admit", from, request: asking, sentAtMs: world.nowMs, isAnswered: false });
}

function send({ messages }: World, from: Isolate, call: SettleCall | null): void {
  if (call !== null) messages.push({ kind: "settle", from, call, isAnswered: false });
}

/** The gate hears a message: in any order, sometimes twice, sometimes one that was given up. */
function deliver(world: World): void {
  const { messages, random } = world;
  const at = upTo(world, messages.length);
  const message = messages[at];
  if (message === undefined) return;
  if (random() < 0.85) messages.splice(at, 1);
  try {
    hear(world, message);
  } catch (error) {
    arrive(world, noReply(message));
    throw error;
  }
}

function hear(world: World, message: Message): void {
  const { memory, nowMs, replies } = world;
  if (message.kind === "extend") {
    const heldNusd = extend(memory, message.extension, nowMs);
    check(heldNusd === (memory.holds.get(message.extension.generationId)?.amountNusd ?? 0n), "a step is what is held");
    replies.push({ kind: "extend", message, heldNusd });
    return;
  }
  if (message.kind === "admit") {
    const known = memory.leases.size;
    const admission = admit(memory, message.request, nowMs);
    world.uses.leases += memory.leases.size > known ? 1 : 0;
    replies.push({ kind: "admit", message, admission });
    return;
  }
  const { settlements, reports } = message.call;
  const open = memory.leases.size;
  const before = memory.account.usageNusd;
  const receipt = settle(memory, settlements, nowMs, reports);
  replies.push({ kind: "settle", message, receipt });
  world.uses.closed += open - memory.leases.size;
  note(world, receipt, memory.account.usageNusd - before);
}

/** Keeps what a call was charged; of its generations only those that were never heard of may have been. */
function note({ ledger, uses }: World, receipt: SettleReceipt, chargedNusd: bigint): void {
  const news = [...new Set(receipt.acknowledged)].filter((id) => !ledger.charged.has(id));
  if (news.length === 0) check(chargedNusd === 0n, "a settle that was known charges nothing");
  const most = news.reduce((sum, id) => sum + (ledger.costs.get(id) ?? 0n), 0n);
  check(chargedNusd >= 0n && chargedNusd <= most, "nothing is charged beyond the costs");
  // Which of several paid how much, the books say in the end.
  for (const id of news) ledger.charged.set(id, news.length === 1 ? chargedNusd : null);
  uses.settled += news.length;
}

function reply(world: World): void {
  const { replies, random } = world;
  const at = upTo(world, replies.length);
  const one = replies[at];
  if (one === undefined) return;
  replies.splice(at, 1);
  arrive(world, random() < 0.9 ? one : noReply(one.message));
}

/** An isolate is told that a message failed. The message itself may still arrive. */
function lose(world: World): void {
  const { messages, random } = world;
  const at = upTo(world, messages.length);
  const message = messages[at];
  if (message === undefined) return;
  if (random() < 0.6) messages.splice(at, 1);
  arrive(world, noReply(message));
}

function noReply(message: Message): Reply {
  if (message.kind === "extend") return { kind: "extend", message, heldNusd: 0n };
  return message.kind === "admit"
    ? { kind: "admit", message, admission: null }
    : { kind: "settle", message, receipt: null };
}

/** What an isolate makes of an answer; only the first to a message counts, as with a call. */
function arrive(world: World, { message, ...answer }: Reply): void {
  const { from } = message;
  if (message.isAnswered || !from.isAlive) return;
  message.isAnswered = true;
  if (message.kind === "settle") {
    takeReceipt(from.state, message.call, answer.kind === "settle" ? answer.receipt : null, world.nowMs);
    return;
  }
  if (message.kind === "extend") {
    const heldNusd = takeExtension(from.state, message.extension, answer.kind === "extend" ? answer.heldNusd : 0n);
    const open = from.open.find(({ id }) => id === message.extension.generationId);
    if (open !== undefined) open.heldNusd = heldNusd;
    return;
  }
  const { request } = message;
  const admission = answer.kind === "admit" ? answer.admission : null;
  takeAdmission(from.state, request, admission, message.sentAtMs, world.nowMs);
  if (admission === null) {
    // The client's second try; after that the request is refused.
    if (world.random() < 0.5) world.messages.push({ ...message, isAnswered: false, ...again(from, request) });
    return;
  }
  if (admission.kind === "admitted") {
    world.uses.cold++;
    from.open.push({ id: request.generationId, key: request.keyHash, heldNusd: admission.holdNusd });
    return;
  }
  world.uses.refused++;
  const lease = from.state.leases.get(request.keyHash);
  if (admission.kind === "short" && lease !== undefined && lease.freeNusd > 0n && world.random() < 0.7) {
    askGate(world, from, { ...request, lease: null }, true);
  }
}

/** A second try is the same message: its lease counts as asked for once more. */
function again(from: Isolate, request: AdmitRequest): object {
  const lease = from.state.leases.get(request.keyHash);
  if (lease !== undefined && lease.id === request.lease?.id) lease.asks++;
  return {};
}

/** The next step of a stream: from the lease, or by a call that may come after the stream's end. */
function grow(world: World): void {
  withIsolate(world, (from) => {
    const open = from.open[upTo(world, from.open.length)];
    if (open === undefined) return;
    const generation = { keyHash: open.key, generationId: open.id };
    const moreNusd = BigInt(1 + upTo(world, 40));
    const heldNusd = extendFromLease(from.state, generation, moreNusd, world.nowMs);
    world.uses.grown++;
    if (heldNusd !== null) open.heldNusd = heldNusd;
    else
      world.messages.push({
        kind: "extend",
        from,
        extension: extensionOf(from.state, generation, moreNusd),
        isAnswered: false,
      });
  });
}

function end(world: World): void {
  withIsolate(world, (isolate) => {
    const [open] = isolate.open.splice(upTo(world, isolate.open.length), 1);
    if (open !== undefined) settleOpen(world, isolate, open);
  });
}

function settleOpen(world: World, isolate: Isolate, { id, key, heldNusd }: Open): void {
  const { ledger, random } = world;
  // Now and then an answer costs nothing, or more than was held.
  const costNusd = random() < 0.1 ? 0n : BigInt(Math.floor(Number(heldNusd) * random() * 1.2));
  isolate.state.open.delete(id);
  ledger.costs.set(id, costNusd);
  enqueue(isolate.state, settlementOf(id, key, costNusd, BigInt(upTo(world, 40)), world.nowMs), world.nowMs);
}

function loseSettle(world: World): void {
  withIsolate(world, ({ state }) => {
    const id = [...state.queue.keys()][upTo(world, state.queue.size)];
    if (id !== undefined) giveUp(state, id);
  });
}

function loseGeneration(world: World): void {
  withIsolate(world, (isolate) => {
    const [open] = isolate.open.splice(upTo(world, isolate.open.length), 1);
    if (open === undefined) return;
    isolate.state.open.delete(open.id);
    abandon(isolate.state, open.id, world.nowMs);
  });
}

/** What an isolate has sent may still arrive; what it hears, nobody does. */
function die(world: World): void {
  const at = upTo(world, world.isolates.length);
  const isolate = world.isolates[at];
  if (isolate === undefined) return;
  isolate.isAlive = false;
  world.isolates[at] = newIsolate(world.nowMs);
  world.uses.deaths++;
}

function restart(world: World): void {
  world.memory = world.account.load();
  world.uses.restarts++;
}

function passTime(world: World): void {
  const { random } = world;
  const kind = random();
  const longest = kind < 0.8 ? 1_500 : kind < 0.97 ? 30_000 : SETTLE_MS + 60_000;
  world.nowMs += Math.floor(random() * longest);
}

function expire(world: World): void {
  const { memory, nowMs } = world;
  const open = memory.leases.size;
  endExpiredHolds(memory, nowMs);
  endExpiredLeases(memory, nowMs);
  world.uses.expired += open - memory.leases.size;
}

async function giveOrTake(world: World, amountNusd: bigint): Promise<void> {
  const { account, ledger } = world;
  const kinds =
    amountNusd > 0n ? (["credit", "purchase", "voucher"] as const) : (["debit", "refund", "dispute"] as const);
  const kind = kinds[upTo(world, kinds.length)] ?? "credit";
  const feeNusd = kind === "purchase" ? amountNusd / 20n : 0n;
  const entryId = `${account.id}/${kind}/${ledger.credits.size}`;
  await post(world, { entryId, kind, amountNusd, feeNusd, reason: "" });
}

/** The same movement comes again: a webhook, an operator's retry. */
async function repeatMovement(world: World): Promise<void> {
  const known = [...world.ledger.credits.values()][upTo(world, world.ledger.credits.size)];
  if (known !== undefined) await post(world, known);
}

async function post(world: World, movement: NamedMovement): Promise<void> {
  const { account, ledger, nowMs } = world;
  const rows = await recordMovements(world.memory, [movement], account.books.db, () => nowMs).catch(
    (error: unknown) => {
      rethrowFailure(error);
      return null;
    },
  );
  if (rows === null) return;
  check(rows.ok, "a movement is taken");
  ledger.credits.set(movement.entryId, movement);
  await finishCredit(world.memory, onlyOf(rows.value), account.books.db).catch(rethrowFailure);
}

function changeKey(world: World): void {
  const { memory, nowMs, random } = world;
  const kind = random();
  const hash = random() < 0.5 ? KEYS[0] : KEYS[1];
  if (kind < 0.35) updateKey(memory, hash, { disabled: random() < 0.4 }, nowMs);
  else if (kind < 0.6) updateKey(memory, KEYS[1], { limitNusd: BigInt(100 + upTo(world, 5_000)) }, nowMs);
  else if (kind < 0.8)
    updateKey(memory, hash, { expiresAtMs: random() < 0.4 ? nowMs + upTo(world, 20_000) : null }, nowMs);
  else if (kind < 0.95) keepAccount(memory, { ...memory.account, isSuspended: random() < 0.4 });
  else deleteKey(memory, hash);
}

async function flush(world: World): Promise<void> {
  const { memory, account, nowMs } = world;
  for (const credit of pendingCredits(memory))
    await finishCredit(memory, credit, account.books.db).catch(rethrowFailure);
  await flushOnce(memory, account.books.db, () => nowMs).catch(rethrowFailure);
}

/** D1's trouble is tried again; a failed transaction of the gate makes it load anew. */
function rethrowFailure(error: unknown): void {
  if (error instanceof Error && error.message === "the storage failed") throw error;
}

/** Nothing is lost any more: whoever lives ends what is open, settles, and gives its leases back; the dead time out. */
async function bringHome(world: World): Promise<void> {
  const { account } = world;
  account.failNext(false);
  for (const message of world.messages.splice(0)) hear(world, message);
  for (const one of world.replies.splice(0)) arrive(world, one);
  for (const isolate of world.isolates) for (const open of isolate.open.splice(0)) settleOpen(world, isolate, open);
  for (let tries = 0; tries < TRIES_AT_END; tries++) {
    world.nowMs += 2_100;
    for (const isolate of world.isolates) {
      send(world, isolate, dueCall(isolate.state, world.nowMs));
      send(world, isolate, idleCall(isolate.state, false, world.nowMs));
    }
    for (const message of world.messages.splice(0)) hear(world, message);
    for (const one of world.replies.splice(0)) arrive(world, one);
  }
  checkStep(world, world.memory.account.balanceNusd, world.memory.account.debitsNusd);
  world.nowMs += SETTLE_MS + 1;
  expire(world);
  account.books.next = "ok";
  const clock = (): number => world.nowMs;
  for (const credit of pendingCredits(world.memory)) await finishCredit(world.memory, credit, account.books.db);
  while ((await flushOnce(world.memory, account.books.db, clock)).flushed);
}

function newIsolate(nowMs: number): Isolate {
  return { state: newIsolateAccount(nowMs), open: [], isAlive: true };
}

function withIsolate(world: World, work: (isolate: Isolate) => void): void {
  const isolate = world.isolates[upTo(world, world.isolates.length)];
  if (isolate !== undefined) work(isolate);
}

function upTo({ random }: World, limit: number): number {
  return Math.floor(random() * limit);
}
