/** Own credentials in a plan: what goes first, what is left out, and that nobody else's plan changes by them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OpenByok } from "../../../src/accounts/byok.ts";
import { asByokId, asKeyHash, asModelId, asProviderId } from "../../../src/core/ids.ts";
import { byokRules, payablePrice } from "../../../src/router/byok.ts";
import { plan } from "../../../src/router/plan.ts";
import type { Candidate } from "../../../src/router/score.ts";
import { BROKEN, entryOf, idsOf, inputOf, NOW, wishesOf } from "./world.ts";

const KEY = asKeyHash("a".repeat(64));

function own(provider: string, id: string, given: Partial<OpenByok> = {}): OpenByok {
  return {
    id: asByokId(id),
    provider: asProviderId(provider),
    secret: `secret-of-${id}`,
    isFallback: false,
    alwaysUse: false,
    sortOrder: 0,
    allowedModels: null,
    allowedKeyHashes: null,
    ...given,
  };
}

interface Given {
  readonly own: readonly OpenByok[];
  readonly cooling?: readonly string[];
  readonly feeBps?: number;
  readonly more?: Parameters<typeof inputOf>[1];
}

const WORLD = [entryOf("test/m", [{ tag: "a", prompt: 1_000 }, { tag: "b" }, { tag: "c", prompt: 9_000_000 }])];

function planned({ own: credentials, cooling = [], feeBps = 500, more = {} }: Given, entries = WORLD) {
  const view = { token: "1.500", feeBps, credentials };
  return plan(inputOf(entries, { ...more, byok: byokRules(view, KEY, (id) => cooling.includes(id)) }));
}

/** `tag` for the shared credential, `tag:id` for an own one. */
const namesOf = (candidates: readonly Candidate[]): readonly string[] =>
  candidates.map(({ endpoint, byok }) => (byok === undefined ? endpoint.tag : `${endpoint.tag}:${byok.id}`));

const SORTED = { more: { preferences: wishesOf({ sort: "price" }) } };

test.each<{ name: string; given: Given; expected: readonly string[] }>([
  { name: "no credential, no copy", given: { own: [], ...SORTED }, expected: ["a", "b", "c"] },
  {
    name: "an own credential goes first, however dear its endpoint, and the shared ones follow",
    given: { own: [own("c", "1")], ...SORTED },
    expected: ["c:1", "a", "b", "c"],
  },
  {
    name: "several of a provider go in their order",
    given: { own: [own("c", "late", { sortOrder: 2 }), own("c", "soon", { sortOrder: 1 })], ...SORTED },
    expected: ["c:soon", "c:late", "a", "b", "c"],
  },
  {
    name: "each provider's first before anybody's second",
    given: { own: [own("c", "1"), own("a", "1"), own("a", "2", { sortOrder: 1 })], ...SORTED },
    expected: ["a:1", "c:1", "a:2", "a", "b", "c"],
  },
  {
    name: "a fallback goes behind the shared ones",
    given: { own: [own("a", "1", { isFallback: true })], ...SORTED },
    expected: ["a", "b", "c", "a:1"],
  },
  {
    name: "always_use takes that provider's shared one away, and no other's",
    given: { own: [own("a", "1", { alwaysUse: true })], ...SORTED },
    expected: ["a:1", "b", "c"],
  },
  {
    name: "always_use for another model takes nothing away",
    given: { own: [own("a", "1", { alwaysUse: true, allowedModels: [asModelId("test/other")] })], ...SORTED },
    expected: ["a", "b", "c"],
  },
  {
    name: "always_use for another key takes nothing away",
    given: { own: [own("a", "1", { alwaysUse: true, allowedKeyHashes: [asKeyHash("b".repeat(64))] })], ...SORTED },
    expected: ["a", "b", "c"],
  },
  {
    name: "one that failed lately goes last, still tried",
    given: { own: [own("a", "1")], cooling: ["1"], ...SORTED },
    expected: ["a", "b", "c", "a:1"],
  },
  {
    name: "one that failed lately and is always to be used is still not replaced by the shared one",
    given: { own: [own("a", "1", { alwaysUse: true })], cooling: ["1"], ...SORTED },
    expected: ["b", "c", "a:1"],
  },
  {
    name: "provider.order rules within the own ones and within the shared ones",
    given: { own: [own("a", "1"), own("c", "1")], more: { preferences: wishesOf({ order: ["c", "b", "a"] }) } },
    expected: ["c:1", "a:1", "c", "b", "a"],
  },
  {
    name: "provider.only and ignore are hard for own ones, too",
    given: {
      own: [own("a", "1"), own("c", "1")],
      more: { preferences: wishesOf({ only: ["a", "b"], sort: "price" }) },
    },
    expected: ["a:1", "a", "b"],
  },
  {
    name: "without fallbacks the own one is the one",
    given: { own: [own("c", "1")], more: { preferences: wishesOf({ allow_fallbacks: false }) } },
    expected: ["c:1"],
  },
  {
    name: "a provider without the operator's credential is reached with the own one",
    given: { own: [own("c", "1")], more: { credentials: idsOf("a"), preferences: wishesOf({ sort: "price" }) } },
    expected: ["c:1", "a"],
  },
  {
    name: "a provider that the operator has switched off is off",
    given: { own: [own("c", "1")], more: { switchedOff: idsOf("c"), preferences: wishesOf({ sort: "price" }) } },
    expected: ["a", "b"],
  },
  {
    name: "the shared credential's rate limit is not the own one's",
    given: { own: [own("c", "1")], more: { ...SORTED.more, health: { c: { closedUntilMs: NOW + 9_000 } } } },
    expected: ["c:1", "a", "b"],
  },
  {
    name: "a broken endpoint is a last resort with any credential",
    given: { own: [own("a", "1")], more: { ...SORTED.more, health: { a: BROKEN } } },
    expected: ["b", "c", "a:1", "a"],
  },
])("$name", ({ given, expected }) => {
  expect(namesOf(planned(given).candidates)).toEqual(expected);
});

test("one that cannot be opened serves nobody, and with always_use says why", () => {
  const { candidates, exclusions } = planned({ own: [own("a", "1", { alwaysUse: true, secret: null })], ...SORTED });
  expect(namesOf(candidates)).toEqual(["b", "c"]);
  expect(exclusions).toEqual([
    { endpoint: "a", provider: "a", reason: "no_credential", detail: expect.stringContaining("cannot be opened") },
  ]);
});

test("an own credential's attempt is no probe of a breaker that others opened", () => {
  const { candidates } = planned({ own: [own("a", "1")], more: { ...SORTED.more, health: { a: BROKEN } } });
  expect(candidates.map(({ byok, isProbe }) => [byok?.id ?? null, isProbe])).toEqual([
    [null, false],
    [null, false],
    ["1", false],
    [null, true],
  ]);
});

test("model by model: a later model's own credential does not overtake the first model", () => {
  const entries = [entryOf("test/m", [{ tag: "a" }]), entryOf("test/n", [{ tag: "b" }])];
  const { candidates } = planned({ own: [own("b", "1")] }, entries);
  expect(namesOf(candidates)).toEqual(["a", "b:1", "b"]);
});

test("one copy a credential, in the best region; the shared one has all of them", () => {
  const entries = [entryOf("test/m", [{ tag: "a", regions: ["frankfurt", "tokyo"] }])];
  const { candidates } = planned({ own: [own("a", "1")] }, entries);
  expect(candidates.map(({ byok, region }) => `${byok?.id ?? "shared"}@${region.id}`)).toEqual([
    "1@frankfurt",
    "shared@frankfurt",
    "shared@tokyo",
  ]);
});

describe("whatever the credentials and the health", () => {
  const credential = fc.record({
    id: fc.uuid().map(asByokId),
    provider: fc.constantFrom("a", "b", "c").map(asProviderId),
    secret: fc.constantFrom("s", null),
    isFallback: fc.boolean(),
    alwaysUse: fc.boolean(),
    sortOrder: fc.nat({ max: 3 }),
    allowedModels: fc.constantFrom(null, [asModelId("test/m")], [asModelId("test/n")]),
    allowedKeyHashes: fc.constantFrom(null, [KEY], [asKeyHash("b".repeat(64))]),
  });
  const health = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom(BROKEN, { closedUntilMs: NOW + 9_000 }));
  const wish = fc.constantFrom({}, { sort: "price" }, { order: ["b"] });
  const input = fc.record({ own: fc.array(credential, { maxLength: 8 }), health, wish, seed: fc.string() });

  test("always_use holds, and the shared candidates keep the order they have without", () => {
    fc.assert(
      fc.property(input, (given) => {
        const more = { preferences: wishesOf(given.wish), health: given.health, seed: given.seed };
        const rules = byokRules({ token: "t", feeBps: 500, credentials: given.own }, KEY, () => false);
        const withOwn = plan(inputOf(WORLD, { ...more, byok: rules })).candidates;
        const without = plan(inputOf(WORLD, more)).candidates;
        const applies = (one: OpenByok): boolean =>
          one.allowedModels?.[0] !== "test/n" && (one.allowedKeyHashes?.[0] ?? KEY) === KEY;
        const only = new Set(given.own.filter((one) => applies(one) && one.alwaysUse).map(({ provider }) => provider));
        const shared = withOwn.filter(({ byok }) => byok === undefined);
        expect(shared.some(({ provider }) => only.has(provider.slug))).toBe(false);
        const left = without.filter(({ provider }) => !only.has(provider.slug));
        expect(namesOf(shared)).toEqual(namesOf(left).slice(0, shared.length));
        for (const { byok, provider } of withOwn) {
          if (byok === undefined) continue;
          const used = given.own.find(({ id }) => id === byok.id);
          expect(used !== undefined && applies(used) && used.secret !== null).toBe(true);
          expect(used?.provider).toBe(provider.slug);
        }
      }),
      { numRuns: 400 },
    );
  });
});

test("what an own credential may cost is the fee of the endpoint's price, rounded up", () => {
  const [first, second] = planned({ own: [own("a", "1")], feeBps: 333, ...SORTED }).candidates;
  expect([first, second].map((one) => (one === undefined ? null : payablePrice(one)?.prompt))).toEqual([34, 1_000]);
});
