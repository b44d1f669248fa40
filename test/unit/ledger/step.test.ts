/** Steps of a rolling hold: when the next one is asked for, when an answer must stop, and that it never outruns its hold. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FIRST_STEP_TOKENS, nextStep, stepMarks } from "../../../src/ledger/step.ts";

const WHOLE = 65_536;

test.each([
  { name: "the first step", held: FIRST_STEP_TOKENS, whole: WHOLE, marks: { askAt: 853, endAt: 1_365 } },
  { name: "a later step", held: 8_192, whole: WHOLE, marks: { askAt: 4_949, endAt: 5_461 } },
  { name: "a hold that is smaller than the lead", held: 300, whole: WHOLE, marks: { askAt: 0, endAt: 200 } },
  { name: "nothing but the prompt", held: 0, whole: WHOLE, marks: { askAt: 0, endAt: 0 } },
  { name: "all that is allowed", held: 500, whole: 500, marks: null },
  { name: "more than is allowed", held: 501, whole: 500, marks: null },
])("marks of $name", ({ held, whole, marks }) => {
  expect(stepMarks(held, whole)).toEqual(marks);
});

test("steps double up to 8,192 tokens, and end at the whole answer", () => {
  const steps = [FIRST_STEP_TOKENS];
  for (let held = FIRST_STEP_TOKENS; held < WHOLE;) {
    held = nextStep(held, WHOLE);
    steps.push(held);
  }
  expect(steps).toEqual([2_048, 4_096, 8_192, 16_384, 24_576, 32_768, 40_960, 49_152, 57_344, 65_536]);
  expect(nextStep(FIRST_STEP_TOKENS, 2_500)).toBe(2_500);
});

test("whatever is granted, an answer that stops at its mark is covered half as much again as it was counted", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200_000 }),
      fc.integer({ min: 0, max: 10_000 }),
      // What each next step brings of what was asked for, in percent; then nothing more.
      fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 40 }),
      (whole, first, grants) => {
        let held = Math.min(first, whole);
        let delivered = 0;
        for (const grant of [...grants, 0]) {
          const marks = stepMarks(held, whole);
          if (marks === null) break;
          expect(marks.askAt).toBeLessThanOrEqual(marks.endAt);
          delivered = Math.max(delivered, marks.endAt);
          expect(delivered * 1.5).toBeLessThanOrEqual(held);
          const aim = nextStep(held, whole);
          expect(aim).toBeGreaterThan(held);
          expect(aim).toBeLessThanOrEqual(whole);
          held += Math.floor(((aim - held) * grant) / 100);
        }
      },
    ),
  );
});
