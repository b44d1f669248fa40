/**
 * The money's model test (test/model/run.ts) in small, for whoever changes a rule; `npm test` runs 5,000 interleavings
 * beside this, `npm run model -- --count 1000000 --seed 1` all. A failure names its interleaving, and
 * `npm run model -- --seed <seed> --from <number> --count 1` runs it again.
 */
import { expect, test } from "vitest";
import { openGround } from "../../model/gate.ts";
import { NO_USES, runOnce } from "../../model/run.ts";

const INTERLEAVINGS = 500;
const SEED = "npm test";

test(`${INTERLEAVINGS} interleavings of holds, leases, settles, losses, deaths and replays keep every invariant`, async () => {
  const ground = openGround();
  const uses = { ...NO_USES };
  for (let at = 0; at < INTERLEAVINGS; at++) {
    try {
      await runOnce(`${SEED} ${at}`, ground, uses);
    } catch (error) {
      throw new Error(`interleaving "${SEED} ${at}"`, { cause: error });
    }
  }
  // It would prove nothing if leases were not used, closed and left behind.
  expect(uses.warm).toBeGreaterThan(INTERLEAVINGS);
  expect(uses.closed).toBeGreaterThan(INTERLEAVINGS);
  expect(uses.expired).toBeGreaterThan(INTERLEAVINGS / 10);
}, 120_000);
