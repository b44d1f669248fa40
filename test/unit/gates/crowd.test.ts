import { expect, test } from "vitest";
import { createCrowd } from "../../../src/gates/crowd.ts";

test("Who comes alone waits for nobody, however often", () => {
  const crowd = createCrowd();
  expect([1_000, 1_001, 1_003, 2_000].map(crowd)).toEqual([undefined, undefined, undefined, undefined]);
});

test("Calls within one millisecond share one moment, and the first of them is not kept waiting", async () => {
  const crowd = createCrowd();
  const [first, second, third] = [crowd(1_000), crowd(1_000), crowd(1_001)];
  expect(first).toBeUndefined();
  expect(second).toBeInstanceOf(Promise);
  expect(third).toBe(second);
  await second;
});

test("All of a crowd go on in one turn, before any timer that was set later", async () => {
  const crowd = createCrowd();
  const log: string[] = [];
  await crowd(1_000);
  const members = ["a", "b", "c"].map(async (name) => {
    await crowd(1_000);
    log.push(name);
  });
  const later = new Promise<void>((resolve) => {
    setTimeout(() => {
      log.push("later");
      resolve();
    }, 1);
  });
  await Promise.all([...members, later]);
  expect(log).toEqual(["a", "b", "c", "later"]);
});

test("A crowd goes on while it finds company and ends with one that finds none", async () => {
  const crowd = createCrowd();
  await crowd(1_000);
  const both = crowd(1_000);
  expect(crowd(1_000)).toBe(both);
  await both;
  const next = crowd(1_005);
  expect(next).toBeInstanceOf(Promise);
  await next;
  expect(crowd(1_010)).toBeUndefined();
});
