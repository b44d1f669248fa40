import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BYOK_PER_PROVIDER_MAX,
  byokChoice,
  byokContext,
  byokLabel,
  type OpenByok,
} from "../../../src/accounts/byok.ts";
import { openCredential, sealCredential } from "../../../src/accounts/seal.ts";
import { asAccountId, asByokId, asKeyHash, asModelId, asProviderId } from "../../../src/core/ids.ts";
import { systemRandomBytes } from "../../../src/core/system.ts";

const alder = asProviderId("alder");
const birch = asProviderId("birch");
const small = asModelId("forest/small");
const large = asModelId("forest/large");
const key = asKeyHash("a".repeat(64));
const other = asKeyHash("b".repeat(64));
const asked = { provider: alder, model: small, keyHash: key };

function credential(id: string, given: Partial<OpenByok> = {}): OpenByok {
  return {
    id: asByokId(id),
    provider: alder,
    secret: `secret-of-${id}`,
    isFallback: false,
    alwaysUse: false,
    sortOrder: 0,
    allowedModels: null,
    allowedKeyHashes: null,
    ...given,
  };
}

test.each<{
  name: string;
  given: readonly OpenByok[];
  expected: { usable: readonly string[]; isOnly: boolean } | null;
}>([
  { name: "no credential applies to nothing", given: [], expected: null },
  { name: "one without filters applies", given: [credential("1")], expected: { usable: ["1"], isOnly: false } },
  { name: "another provider's does not", given: [credential("1", { provider: birch })], expected: null },
  {
    name: "one for this model applies",
    given: [credential("1", { allowedModels: [large, small] })],
    expected: { usable: ["1"], isOnly: false },
  },
  { name: "one for another model does not", given: [credential("1", { allowedModels: [large] })], expected: null },
  {
    name: "one for this key applies",
    given: [credential("1", { allowedKeyHashes: [other, key] })],
    expected: { usable: ["1"], isOnly: false },
  },
  { name: "one for another key does not", given: [credential("1", { allowedKeyHashes: [other] })], expected: null },
  {
    name: "one whose keys are all gone applies to none, instead of all",
    given: [credential("1", { allowedKeyHashes: [] })],
    expected: null,
  },
  {
    name: "order: prioritised by sort order, then fallbacks by theirs",
    given: [
      credential("1", { isFallback: true, sortOrder: 0 }),
      credential("2", { sortOrder: 5 }),
      credential("3", { sortOrder: 1 }),
      credential("4", { isFallback: true, sortOrder: -1 }),
    ],
    expected: { usable: ["3", "2", "4", "1"], isOnly: false },
  },
  {
    name: "always_use of one that applies takes the shared credential away",
    given: [credential("1"), credential("2", { alwaysUse: true, sortOrder: 9 })],
    expected: { usable: ["1", "2"], isOnly: true },
  },
  {
    name: "always_use of one that does not apply changes nothing",
    given: [credential("1"), credential("2", { alwaysUse: true, allowedModels: [large] })],
    expected: { usable: ["1"], isOnly: false },
  },
  {
    name: "one that cannot be opened serves nobody, and still keeps the shared one away",
    given: [credential("1", { secret: null, alwaysUse: true })],
    expected: { usable: [], isOnly: true },
  },
])("$name", ({ given, expected }) => {
  const choice = byokChoice(given, asked);
  expect(choice === null ? null : { usable: choice.usable.map(({ id }) => id), isOnly: choice.isOnly }).toEqual(
    expected,
  );
});

test("whatever the credentials: only applying ones are used, in order, bounded, and always_use always holds", () => {
  const any = fc.record({
    id: fc.uuid().map(asByokId),
    provider: fc.constantFrom(alder, birch),
    secret: fc.constantFrom("s", null),
    isFallback: fc.boolean(),
    alwaysUse: fc.boolean(),
    sortOrder: fc.integer({ min: 0, max: 3 }),
    allowedModels: fc.constantFrom(null, [small], [large]),
    allowedKeyHashes: fc.constantFrom(null, [key], [other]),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 12 }), (credentials) => {
      const applies = (one: OpenByok): boolean =>
        one.provider === alder && one.allowedModels?.[0] !== large && one.allowedKeyHashes?.[0] !== other;
      const choice = byokChoice(credentials, asked);
      expect(choice !== null).toBe(credentials.some(applies));
      expect(choice?.isOnly ?? false).toBe(credentials.some((one) => applies(one) && one.alwaysUse));
      const usable = choice?.usable ?? [];
      expect(usable.every((one) => applies(one) && one.secret !== null)).toBe(true);
      expect(usable.length).toBeLessThanOrEqual(BYOK_PER_PROVIDER_MAX);
      const rank = (one: OpenByok): number => Number(one.isFallback) * 100 + one.sortOrder;
      expect(usable.map(rank)).toEqual(usable.map(rank).toSorted((left, right) => left - right));
      // Nobody's place depends on the order in which the list came.
      expect(byokChoice(credentials.toReversed(), asked)?.usable.map(({ id }) => id)).toEqual(
        choice?.usable.map(({ id }) => id),
      );
    }),
    { numRuns: 300 },
  );
});

test.each([
  { secret: "sk-proj-0123456789abcdefAbCd", label: "sk-...AbCd" },
  { secret: "0123456789012345678", label: "..." },
  { secret: "x", label: "..." },
  { secret: '{"client_email": "a@b.example", "private_key": "zzz"}', label: "{...}" },
])("the label of a credential says at most seven characters of it: $label", ({ secret, label }) => {
  expect(byokLabel(secret)).toBe(label);
});

describe("a sealed credential", () => {
  const account = asAccountId("gl10000000000abc");
  const secrets = { old: "the-old-secret-0123", present: "the-new-secret-0123" };

  test.each([
    { name: "opens for its account and provider", at: byokContext(account, alder), opens: true },
    { name: "not for another provider", at: byokContext(account, birch), opens: false },
    { name: "not for another account", at: byokContext(asAccountId("gl10000000000abd"), alder), opens: false },
    { name: "not as the operator's own", at: alder, opens: false },
  ])("$name", async ({ at, opens }) => {
    const sealed = await sealCredential("plain", byokContext(account, alder), secrets.present, systemRandomBytes);
    expect((await openCredential(sealed, at, [secrets.present])).ok).toBe(opens);
  });

  test("opens after the secret was rotated, as long as the previous one is known", async () => {
    const context = byokContext(account, alder);
    const sealed = await sealCredential("plain", context, secrets.old, systemRandomBytes);
    expect(await openCredential(sealed, context, [secrets.present, secrets.old])).toEqual({ ok: true, value: "plain" });
    expect((await openCredential(sealed, context, [secrets.present])).ok).toBe(false);
  });
});
