import { expect, test } from "vitest";
import { readVariants } from "../../../src/catalog/variants.ts";

test.each([
  { given: "a/b", lookups: ["a/b"], sort: undefined },
  { given: " a/b ", lookups: ["a/b"], sort: undefined },
  { given: "a/b:free", lookups: ["a/b:free"], sort: undefined },
  { given: "a/b:nitro", lookups: ["a/b"], sort: "throughput" },
  { given: "a/b:floor", lookups: ["a/b"], sort: "price" },
  { given: "a/b:exacto", lookups: ["a/b"], sort: "exacto" },
  { given: "a/b:free:nitro", lookups: ["a/b:free"], sort: "throughput" },
  { given: "a/b:nitro:free", lookups: ["a/b:free"], sort: "throughput" },
  { given: "a/b:thinking", lookups: ["a/b:thinking", "a/b (thinking)"], sort: undefined },
  { given: "a/b:extended:floor", lookups: ["a/b:extended", "a/b"], sort: "price" },
  { given: "a/b:nitro:nitro", lookups: ["a/b"], sort: "throughput" },
])("$given is looked up as $lookups and sorted by $sort", ({ given, lookups, sort }) => {
  const read = readVariants(given);
  expect(read.ok && read.value.lookups.map((one) => (one.thinking ? `${one.name} (thinking)` : one.name))).toEqual(
    lookups,
  );
  expect(read.ok && read.value.sort).toBe(sort);
});

test.each([
  { given: "a/b:turbo", says: /":turbo" is not a variant/ },
  { given: "a/b:", says: /":" is not a variant/ },
  { given: "a/b:toString", says: /not a variant/ },
  { given: "a/b:nitro:floor", says: /only one of :nitro/ },
  { given: "a/b:free:thinking", says: /only one of :free/ },
  { given: "a/b:nitro:nitro:nitro:nitro:nitro", says: /at most 4/ },
])("$given is refused", ({ given, says }) => {
  const read = readVariants(given);
  expect(read.ok ? "" : read.error.message).toMatch(says);
});

test("an extended variant without a listing says which endpoints were used", () => {
  const read = readVariants("a/b:extended");
  expect(read.ok && read.value.lookups[1]?.warning).toMatch(/no longer listing/);
});
