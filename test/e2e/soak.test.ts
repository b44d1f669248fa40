/**
 * The soak in short: half a minute, two kills. `npm run soak` is the long one. The seed is another one each time unless
 * SOAK_SEED names it; failures say it.
 */
import { expect, test } from "vitest";
import { isClean, reportText } from "../chaos/report.ts";
import { soak } from "../chaos/soak.ts";
import { alone } from "./alone.ts";

const options = {
  seed: Number(process.env["SOAK_SEED"] ?? Date.now() % 100_000),
  runMs: 22_000,
  killEveryMs: 8_000,
  lanes: 16,
  waitsForHolds: false,
  script: null,
  jsonPath: undefined,
} as const;

alone();

test("mixed traffic, upstream faults, clients that leave and two kills: the books are exact", async () => {
  const result = await soak(options, () => undefined);
  const report = reportText(options, result);
  console.log(report);
  expect(result.verdict.violations, report).toEqual([]);
  expect(isClean(result, options.waitsForHolds), report).toBe(true);
  // The run was one: kills under load, answers of every kind, charges to compare.
  expect(result.kills).toHaveLength(2);
  expect(result.verdict.exactCount).toBeGreaterThan(100);
  expect(new Set(result.seen.map(({ how }) => how))).toEqual(new Set(["whole", "broken", "left", "cut", "refused"]));
  expect(Object.keys(result.faults).length).toBeGreaterThan(10);
});
