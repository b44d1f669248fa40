/** Holds whose time is over, but which nobody has ended yet: whoever asks about one must not be given it twice. */
import { expect, test } from "vitest";
import { asGenerationId, type GenerationId } from "../../../src/core/ids.ts";
import { admit } from "../../../src/gates/account-admit.ts";
import { HOLD_LIFE_MS, type AdmitRequest } from "../../../src/gates/account-contract.ts";
import { extend } from "../../../src/gates/account-extend.ts";
import { keepAccount, type AccountMemory } from "../../../src/gates/account-memory.ts";
import { KEYS, openGround } from "../../model/gate.ts";

const START_MS = Date.UTC(2026, 10, 21, 12);
const LATE_MS = START_MS + HOLD_LIFE_MS;
const BALANCE_NUSD = 15n;

const idOf = (count: number): GenerationId => asGenerationId(`gen-1-${String(count).padStart(20, "0")}`);

function requestOf(count: number, wantedNusd: bigint): AdmitRequest {
  return {
    keyHash: KEYS[0],
    generationId: idOf(count),
    isFree: false,
    wantedNusd,
    minimumNusd: wantedNusd,
    footprint: { models: [], providers: [], tokens: { wanted: 1, minimum: 1 } },
  };
}

/** BALANCE_NUSD of credit, all of it held: 10 by the first generation, 5 by the second. */
function allHeld(): AccountMemory {
  const memory = openGround().newAccount(1_000n, START_MS).load();
  keepAccount(memory, { ...memory.account, balanceNusd: BALANCE_NUSD, creditsNusd: BALANCE_NUSD });
  expect(admit(memory, requestOf(1, 10n), START_MS)).toMatchObject({ kind: "admitted", holdNusd: 10n });
  expect(admit(memory, requestOf(2, 5n), START_MS)).toMatchObject({ kind: "admitted", holdNusd: 5n });
  return memory;
}

test("a generation that asks for more than there is keeps its hold, however late it asks", () => {
  const memory = allHeld();
  const heldNusd = extend(memory, { keyHash: KEYS[0], generationId: idOf(1), totalNusd: 40n }, LATE_MS);
  // The second's time is over: what it held is the first's now.
  expect(heldNusd).toBe(BALANCE_NUSD);
  expect(memory.holds.get(idOf(1))).toMatchObject({ amountNusd: heldNusd, expiresAtMs: LATE_MS + HOLD_LIFE_MS });
  expect(memory.holds.has(idOf(2))).toBe(false);
  expect(memory.heldNusd).toBe(BALANCE_NUSD);
});

test("an admission that is asked for again finds its hold, however late it asks", () => {
  const memory = allHeld();
  // A debit has taken what was held: nothing is spendable, so that holds whose time is over are ended.
  keepAccount(memory, { ...memory.account, balanceNusd: 7n, debitsNusd: 8n });
  expect(admit(memory, requestOf(1, 10n), LATE_MS)).toMatchObject({ kind: "admitted", holdNusd: 10n });
  expect(memory.holds.get(idOf(1))).toMatchObject({ amountNusd: 10n, expiresAtMs: LATE_MS + HOLD_LIFE_MS });
  expect(memory.holds.has(idOf(2))).toBe(false);
  expect(memory.heldNusd).toBe(10n);
});
