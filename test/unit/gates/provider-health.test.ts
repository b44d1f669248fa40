/** How often the figures that isolates get are made anew. */
import { expect, test } from "vitest";
import { asEndpointTag, asModelId } from "../../../src/core/ids.ts";
import { createPlaceHealth } from "../../../src/gates/provider-health.ts";

const START_MS = 1_800_000_000_000;
const KEY = "a/b acme";

function place() {
  const health = createPlaceHealth({ endpoints: [], credentials: [] }, () => undefined, START_MS);
  const of = { model: asModelId("a/b"), tag: asEndpointTag("acme") };
  return {
    succeed(times: number, atMs: number) {
      const outcome = { kind: "success", ttftMs: 200, durationMs: 900, tokens: 50, bucket: null } as const;
      for (let time = 0; time < times; time++) health.fold({ ...of, outcome }, atMs);
    },
    fail(atMs: number) {
      const outcome = { kind: "failure", scope: "endpoint", status: 503, retryAfterMs: null, bucket: null } as const;
      health.fold({ ...of, outcome }, atMs);
    },
    /** How many outcomes of 30 minutes an isolate is told of. */
    told: (atMs: number) => health.changed([[KEY, 0]], atMs)[0]?.health.requestCount30m,
  };
}

test("figures of few outcomes are made anew after 5 s, of many when there is a quarter more or after 30 s", () => {
  const { succeed, told } = place();
  succeed(100, START_MS);
  expect(told(START_MS)).toBe(100);
  succeed(10, START_MS + 5_000);
  expect(told(START_MS + 5_000)).toBe(100);
  succeed(20, START_MS + 10_000);
  expect(told(START_MS + 10_000)).toBe(130);
  expect(told(START_MS + 14_000)).toBe(130);
  succeed(1, START_MS + 15_000);
  expect(told(START_MS + 39_000)).toBe(130);
  expect(told(START_MS + 40_000)).toBe(131);
});

test("after a quiet night the first outcomes are many: those of yesterday are in no figure any more", () => {
  const { succeed, told } = place();
  succeed(1_000, START_MS);
  expect(told(START_MS)).toBe(1_000);
  const morningMs = START_MS + 8 * 3_600_000;
  succeed(10, morningMs);
  expect(told(morningMs)).toBe(10);
  succeed(10, morningMs + 5_000);
  expect(told(morningMs + 5_000)).toBe(20);
});

test("a failure is told at once", () => {
  const { succeed, fail, told } = place();
  succeed(1_000, START_MS);
  expect(told(START_MS)).toBe(1_000);
  fail(START_MS + 10);
  expect(told(START_MS + 10)).toBe(1_001);
});
