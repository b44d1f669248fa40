/** What is kept of many candidates is what sorting all of them would have put first. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { asEndpointTag } from "../../../src/core/ids.ts";
import { createRanking, type Ranked } from "../../../src/router/ranking.ts";
import { plan } from "../../../src/router/plan.ts";
import { entryOf, inputOf } from "./world.ts";

const [CANDIDATE] = plan(inputOf([entryOf("a/b", [{ tag: "p0" }])])).candidates;
if (CANDIDATE === undefined) throw new Error("a plan of one endpoint has no candidate");
const MOST = 12;

// Few values, so that many are equal.
const ranked = fc.record({
  rank: fc.integer({ min: 0, max: 3 }),
  key: fc.integer({ min: 0, max: 3 }),
  latency: fc.integer({ min: 0, max: 2 }),
  quality: fc.constantFrom(undefined, "unproven" as const, "good" as const),
});

test("the best dozen of many, in the order that sorting all of them has, whether or not those beyond are made", () => {
  fc.assert(
    fc.property(fc.array(ranked, { maxLength: 80 }), (given) => {
      const all = createRanking(null);
      const kept = createRanking(MOST);
      const spared = createRanking(MOST);
      for (const [at, { rank, key, latency, quality }] of given.entries()) {
        const endpoint = { ...CANDIDATE.endpoint, tag: asEndpointTag(`p${at}`) };
        const candidate = { ...CANDIDATE, endpoint, predictedLatencyMs: latency, ...(quality && { quality }) };
        const one: Ranked = { candidate, group: 0, rank, key };
        all.add(one);
        kept.add(one);
        if (spared.isBeyond(rank, key)) spared.skip(quality);
        else spared.add(one);
      }
      const want = all.ordered().slice(0, MOST);
      expect(kept.ordered()).toEqual(want);
      expect(spared.ordered()).toEqual(want);
      for (const ranking of [kept, spared]) {
        expect(ranking.count()).toBe(given.length);
        expect(ranking.hasProven()).toBe(all.hasProven());
      }
    }),
    { numRuns: 500 },
  );
});

test("a model of sixty endpoints has the plan of its best dozen, and keeps it when one that is not in it leaves", () => {
  const wishes = Array.from({ length: 60 }, (_, at) => ({
    tag: `p${at}`,
    prompt: 1_000_000 + 10_000 * ((at * 37) % 60),
  }));
  const tagsOf = (list: typeof wishes): readonly string[] =>
    plan(inputOf([entryOf("a/b", list)])).candidates.map(({ endpoint }) => endpoint.tag);
  const before = tagsOf(wishes);
  expect(before).toHaveLength(MOST);
  for (const { tag } of wishes) {
    const rest = tagsOf(wishes.filter((one) => one.tag !== tag));
    const at = before.indexOf(tag);
    const want = at === -1 ? before : before.toSpliced(at, 1);
    expect(rest.slice(0, want.length)).toEqual(want);
  }
});
