/** Kept answers at the AccountGate: who may work on one, how much is kept, what a wait ends with. */
import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, test } from "vitest";
import { asGenerationId } from "../../src/core/ids.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import type { ReplyClaim, ReplyCommand } from "../../src/gates/account-replies-contract.ts";
import { CLAIM_LIFE_MS, createReplies, KEPT_MS, TOTAL_BYTES_MAX } from "../../src/gates/account-replies.ts";
import { newAccount, setClock, type TestAccount } from "./account-setup.ts";

const NOON_MS = Date.UTC(2026, 10, 21, 12);
const MIB = 1024 * 1024;

type Claim = Extract<ReplyCommand, { kind: "claim" }>;
const claimOf = (account: TestAccount, given: Partial<Claim> = {}): Claim => ({
  kind: "claim",
  id: "reply",
  keyHash: account.keyHash,
  fingerprint: "f",
  owner: "first",
  generationId: asGenerationId("gen-1-first"),
  waitMs: 0,
  ...given,
});
const tell = async (account: TestAccount, command: ReplyCommand) => {
  const answer = await account.gate.replies(command);
  return answer.ok ? answer.value : answer.error;
};

test("of twenty claims at once one is to work, the others hear that it runs", async () => {
  const account = await newAccount();
  const claims = await Promise.all(
    Array.from({ length: 20 }, async (_, at) => await tell(account, claimOf(account, { owner: `owner-${at}` }))),
  );
  expect(claims.filter(({ kind }) => kind === "mine")).toHaveLength(1);
  expect(claims.filter(({ kind }) => kind === "running")).toHaveLength(19);
});

test("a claim whose answer was lost is asked for again by its owner", async () => {
  const account = await newAccount();
  expect(await tell(account, claimOf(account))).toEqual({ kind: "mine", isZeroRetention: false });
  expect(await tell(account, claimOf(account))).toEqual({ kind: "mine", isZeroRetention: false });
});

test("one that waits goes on as soon as the first has ended, with its answer or with its work", async () => {
  const account = await newAccount();
  await tell(account, claimOf(account));
  const waiting = tell(account, claimOf(account, { owner: "second", waitMs: 10_000 }));
  await tell(account, { kind: "write", id: "reply", owner: "first", at: 0, bytes: new Uint8Array([1, 2]) });
  await tell(account, { kind: "finish", id: "reply", owner: "first", pieces: 1, withheld: null });
  expect(await waiting).toMatchObject({ kind: "stored", pieces: 1, first: new Uint8Array([1, 2]) });
  await tell(account, claimOf(account, { id: "other" }));
  const third = tell(account, claimOf(account, { id: "other", owner: "third", waitMs: 10_000 }));
  await tell(account, { kind: "drop", id: "other", owner: "first" });
  expect(await third).toMatchObject({ kind: "mine" });
});

test("a claim ends by itself, unless it is renewed; then its owner can't store any more", async () => {
  const account = await newAccount();
  await setClock(account, NOON_MS);
  await tell(account, claimOf(account));
  await setClock(account, NOON_MS + CLAIM_LIFE_MS - 1);
  expect(await tell(account, claimOf(account, { owner: "second" }))).toMatchObject({ kind: "running" });
  expect(await tell(account, { kind: "renew", id: "reply", owner: "first" })).toEqual({ kind: "done" });
  await setClock(account, NOON_MS + 2 * CLAIM_LIFE_MS - 2);
  expect(await tell(account, claimOf(account, { owner: "second" }))).toMatchObject({ kind: "running" });
  await setClock(account, NOON_MS + 2 * CLAIM_LIFE_MS);
  expect(await tell(account, claimOf(account, { owner: "second" }))).toMatchObject({ kind: "mine" });
  for (const late of [
    { kind: "renew", id: "reply", owner: "first" },
    { kind: "write", id: "reply", owner: "first", at: 0, bytes: new Uint8Array(1) },
    { kind: "finish", id: "reply", owner: "first", pieces: 1, withheld: null },
    { kind: "drop", id: "reply", owner: "first" },
  ] as const) {
    expect(await tell(account, late)).toEqual({ kind: "gone" });
  }
});

test("a finish without all its pieces keeps an outcome, not half an answer", async () => {
  const account = await newAccount();
  await tell(account, claimOf(account));
  await tell(account, { kind: "write", id: "reply", owner: "first", at: 0, bytes: new Uint8Array(1) });
  await tell(account, { kind: "finish", id: "reply", owner: "first", pieces: 2, withheld: null });
  expect(await tell(account, claimOf(account))).toMatchObject({ kind: "withheld", reason: "unstored" });
});

test("a piece that is too large or beyond its place is not taken", async () => {
  const account = await newAccount();
  await tell(account, claimOf(account));
  const write = { kind: "write", id: "reply", owner: "first" } as const;
  expect(await tell(account, { ...write, at: 0, bytes: new Uint8Array(1_100_001) })).toEqual({ kind: "gone" });
  expect(await tell(account, { ...write, at: 16, bytes: new Uint8Array(1) })).toEqual({ kind: "gone" });
});

test("when an account's answers take more than their room, the oldest leave their outcome only", async () => {
  const account = await newAccount();
  const count = TOTAL_BYTES_MAX / MIB + 2;
  await runInDurableObject(account.gate, (_gate: AccountGate, state) => {
    const replies = createReplies(state.storage);
    for (let at = 0; at < count; at++) {
      const id = `reply-${at}`;
      replies.claim(claimOf(account, { id }), false, NOON_MS + at);
      replies.answer({ kind: "write", id, owner: "first", at: 0, bytes: new Uint8Array(MIB) }, NOON_MS);
      replies.answer({ kind: "finish", id, owner: "first", pieces: 1, withheld: null }, NOON_MS);
    }
    const kindOf = (at: number): ReplyClaim["kind"] =>
      replies.claim(claimOf(account, { id: `reply-${at}` }), false, NOON_MS).kind;
    expect([0, 1, 2, count - 1].map(kindOf)).toEqual(["withheld", "withheld", "stored", "stored"]);
    const [row] = state.storage.sql.exec("SELECT SUM(LENGTH(bytes)) AS size FROM reply_pieces").toArray();
    expect(Number(row?.["size"])).toBe(TOTAL_BYTES_MAX);
    // A gate that starts over counts the same: the next one evicts the next one.
    const woken = createReplies(state.storage);
    woken.claim(claimOf(account, { id: "last" }), false, NOON_MS);
    woken.answer({ kind: "write", id: "last", owner: "first", at: 0, bytes: new Uint8Array(1) }, NOON_MS);
    woken.answer({ kind: "finish", id: "last", owner: "first", pieces: 1, withheld: null }, NOON_MS);
    expect(woken.claim(claimOf(account, { id: "reply-2" }), false, NOON_MS).kind).toBe("withheld");
  });
});

test("the alarm forgets what is older than a day, all of it", async () => {
  const account = await newAccount();
  await setClock(account, NOON_MS);
  for (let at = 0; at < 5; at++) await tell(account, claimOf(account, { id: `reply-${at}` }));
  const count = async () =>
    await runInDurableObject(account.gate, (_gate: AccountGate, state) =>
      Number(state.storage.sql.exec("SELECT COUNT(*) AS n FROM replies").one()["n"]),
    );
  await runInDurableObject(account.gate, async (gate: AccountGate) => {
    gate.clock = () => NOON_MS + KEPT_MS - 1;
    await gate.alarm();
  });
  expect(await count()).toBe(5);
  await runInDurableObject(account.gate, async (gate: AccountGate) => {
    gate.clock = () => NOON_MS + KEPT_MS;
    await gate.alarm();
  });
  expect(await count()).toBe(0);
});

test("whatever happens: one owner at a time, and never a second one after a charge", async () => {
  const account = await newAccount();
  await runInDurableObject(account.gate, (_gate: AccountGate, state) => {
    const owner = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({ kind: fc.constant("claim" as const), owner }),
      fc.record({
        kind: fc.constantFrom("finish" as const, "drop" as const, "renew" as const, "settle" as const),
        owner,
      }),
      fc.record({ kind: fc.constant("sleep" as const), owner, ms: fc.integer({ min: 1, max: CLAIM_LIFE_MS }) }),
      fc.record({ kind: fc.constant("restart" as const), owner }),
    );
    let runs = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const id = `reply-${runs++}`;
        let replies = createReplies(state.storage);
        let nowMs = NOON_MS;
        let working = null as { owner: string; untilMs: number } | null;
        let isOver = false;
        const generationOf = (name: string) => asGenerationId(`gen-1-${id}-${name}`);
        for (const one of steps) {
          if (one.kind === "sleep") nowMs += one.ms;
          else if (one.kind === "restart") replies = createReplies(state.storage);
          else if (one.kind === "claim") {
            const claim = replies.claim(
              claimOf(account, { id, owner: one.owner, generationId: generationOf(one.owner) }),
              false,
              nowMs,
            );
            if (claim.kind !== "mine") continue;
            expect(isOver && working?.owner !== one.owner).toBe(false);
            expect(working === null || working.owner === one.owner || working.untilMs <= nowMs).toBe(true);
            if (working?.owner !== one.owner) working = { owner: one.owner, untilMs: nowMs + CLAIM_LIFE_MS };
          } else if (one.kind === "settle") {
            const record = { usage: NO_USAGE } as never; // nothing else of it is looked at
            const settlement = {
              generationId: generationOf(one.owner),
              keyHash: account.keyHash,
              costNusd: 1n,
              upstreamCostNusd: 0n,
              refundsFreeTier: false,
              record,
            };
            replies.noteSettled([settlement]);
            if (working?.owner === one.owner) isOver = true;
          } else {
            const { owner: name } = one;
            const command =
              one.kind === "finish"
                ? ({ kind: "finish", id, owner: name, pieces: 1, withheld: null } as const)
                : ({ kind: one.kind, id, owner: name } as const);
            if (one.kind === "finish")
              replies.answer({ kind: "write", id, owner: name, at: 0, bytes: new Uint8Array(1) }, nowMs);
            const { kind } = replies.answer(command, nowMs);
            if (kind !== "done") continue;
            if (one.kind === "renew") working = { owner: name, untilMs: nowMs + CLAIM_LIFE_MS };
            else {
              if (one.kind === "finish") isOver = true;
              working = null;
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
