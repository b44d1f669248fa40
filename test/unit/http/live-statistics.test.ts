/** Live statistics: what several regions say of one endpoint, and how long an answer waits for them. */
import { expect, test } from "vitest";
import type { EndpointHealth, ProviderSnapshot } from "../../../src/gates/provider-contract.ts";
import {
  createSnapshotReader,
  PLACES_MAX,
  readSnapshots,
  READ_MS_MAX,
  RECENT_MODELS_MAX,
  RECENT_MS,
  statisticsOf,
  type StatisticsAsker,
} from "../../../src/http/live-statistics.ts";
import type { ClientFigures } from "../../../src/limits/client-figures.ts";
import { BREAKER_CLOSED } from "../../../src/limits/breaker.ts";
import { healthSnapshot, NEW_HEALTH, type Health } from "../../../src/limits/health.ts";
import { entryOf } from "../router/world.ts";

const NOW = 1_800_000_000_000;
const MODEL = "forest/leaf";
const entry = entryOf(MODEL, [{ tag: "oak", regions: ["frankfurt", "tokyo"] }]);
const healthy = healthSnapshot(NEW_HEALTH, NOW);
const REFUSED = { id: "environment-1", breaker: { kind: "open", untilMs: NOW + 1, trips: 1 } } as const;
const open: Partial<Health> = { breaker: { kind: "open", untilMs: NOW + 1_000, trips: 1 } };
const percentiles = (p50: number) => ({ p50, p75: p50, p90: p50, p99: p50 });
const measured = (p50: number) => ({ ...percentiles(p50), sampleCount: 30 });

function snapshot(health: Partial<Health> | null, more: Partial<ProviderSnapshot> = {}): ProviderSnapshot {
  return {
    atMs: NOW,
    endpoints:
      health === null
        ? []
        : [{ model: MODEL, tag: "oak", version: 1, health: { ...healthy, ...health }, closings: {}, limits: {} }],
    isDisabled: false,
    credentialSealed: null,
    credentials: [],
    nextInMs: 1_000,
    ...more,
  };
}

function shown(
  snapshots: Readonly<Record<string, ProviderSnapshot>>,
  hasCredential = true,
  asker: Partial<StatisticsAsker> = {},
) {
  const byPlace = new Map(Object.entries(snapshots).map(([region, one]) => [`oak ${region}`, one]));
  const from = { isKnown: true, client: null, ...asker };
  return statisticsOf(entry, byPlace, { hasCredential: () => hasCredential }, from, NOW)("oak");
}

test.each([
  { name: "nothing was seen", snapshots: {}, expected: 0 },
  { name: "no figures are there yet", snapshots: { frankfurt: snapshot(null), tokyo: snapshot(null) }, expected: 0 },
  { name: "one region is down", snapshots: { frankfurt: snapshot(open), tokyo: snapshot({}) }, expected: -1 },
  {
    name: "one is down and one was never used",
    snapshots: { frankfurt: snapshot(open), tokyo: snapshot(null) },
    expected: -1,
  },
  { name: "every region is down", snapshots: { frankfurt: snapshot(open), tokyo: snapshot(open) }, expected: -2 },
  {
    name: "a region is at its rate limit",
    snapshots: { frankfurt: snapshot({ closedUntilMs: NOW + 1 }) },
    expected: -1,
  },
  { name: "a rate limit is over", snapshots: { frankfurt: snapshot({ closedUntilMs: NOW }) }, expected: 0 },
  { name: "it is switched off", snapshots: { frankfurt: snapshot(open, { isDisabled: true }) }, expected: -5 },
  {
    name: "one of two credentials is refused",
    snapshots: {
      frankfurt: snapshot({}, { credentials: [REFUSED, { id: "environment-2", breaker: BREAKER_CLOSED }] }),
    },
    expected: 0,
  },
  {
    name: "the credential is refused",
    snapshots: { frankfurt: snapshot({}, { credentials: [REFUSED] }) },
    expected: -10,
  },
])("the status is $expected when $name", ({ snapshots, expected }) => {
  expect(shown(snapshots)?.status).toBe(expected);
});

test("without any credential the status says so, unless the operator's sealed one is there", () => {
  expect(shown({ frankfurt: snapshot({}) }, false)?.status).toBe(-10);
  expect(shown({ frankfurt: snapshot({}, { credentialSealed: "v1" }) }, false)?.status).toBe(0);
});

test("uptime is weighted by requests, percentiles are those of the busiest region", () => {
  const snapshots = {
    frankfurt: snapshot({
      uptime30m: 1,
      requestCount30m: 30,
      latencyMs30m: measured(100),
      throughputTps30m: measured(40),
    }),
    tokyo: snapshot({ uptime30m: 0.6, requestCount30m: 10, latencyMs30m: measured(900), throughputTps30m: null }),
  };
  expect(shown(snapshots)).toEqual({
    status: 0,
    uptimeLast5mPercent: null,
    uptimeLast1dPercent: null,
    uptimeLast30mPercent: 90,
    latencyLast30mMs: percentiles(100),
    throughputLast30mTokensPerS: percentiles(40),
    toolCalls: { tier: "unproven", successPercent: null },
    structuredOutputs: { tier: "unproven", successPercent: null },
    client: null,
  });
  expect(shown(snapshots, true, { isKnown: false })).toMatchObject({
    uptimeLast30mPercent: 90,
    latencyLast30mMs: null,
    throughputLast30mTokensPerS: null,
  });
});

test("the form of answers is that of all regions together, and few answers say nothing", () => {
  const few = {
    frankfurt: snapshot({ toolCalls: { good: 10, bad: 0 } }),
    tokyo: snapshot({ toolCalls: { good: 9, bad: 0 } }),
  };
  expect(shown(few)?.toolCalls).toEqual({ tier: "unproven", successPercent: null });
  const more = {
    frankfurt: snapshot({ toolCalls: { good: 90, bad: 0 }, structured: { good: 0, bad: 30 } }),
    tokyo: snapshot({ toolCalls: { good: 30, bad: 30 } }),
  };
  expect(shown(more)).toMatchObject({
    toolCalls: { tier: "weak", successPercent: 80 },
    structuredOutputs: { tier: "poor", successPercent: 0 },
  });
});

test("a region of clients has figures of its own: those of the provider's region that serves most of them", () => {
  const figures = (requestCount30m: number, uptime30m: number, p50: number): ClientFigures => ({
    requestCount30m,
    uptime30m,
    latencyMs30m: measured(p50),
    throughputTps30m: measured(p50),
  });
  const withClients = (byClient: NonNullable<EndpointHealth["byClient"]>) => {
    const one = snapshot({ requestCount30m: 1_000, latencyMs30m: measured(5) });
    return { ...one, endpoints: one.endpoints.map((endpoint) => ({ ...endpoint, byClient })) };
  };
  const snapshots = {
    frankfurt: withClients({ weur: figures(90, 1, 100), apac: figures(10, 0.5, 900) }),
    tokyo: withClients({ apac: figures(30, 1, 80) }),
  };
  expect(shown(snapshots, true, { client: "weur" })).toMatchObject({
    latencyLast30mMs: percentiles(5),
    client: { region: "weur", uptimePercent: 100, latencyMs: percentiles(100), throughputTokensPerS: percentiles(100) },
  });
  expect(shown(snapshots, true, { client: "apac" })?.client).toEqual({
    region: "apac",
    uptimePercent: 87.5,
    latencyMs: percentiles(80),
    throughputTokensPerS: percentiles(80),
  });
  expect(shown(snapshots, true, { client: "apac", isKnown: false })?.client).toEqual({
    region: "apac",
    uptimePercent: 87.5,
    latencyMs: null,
    throughputTokensPerS: null,
  });
  expect(shown(snapshots, true, { client: "sam" })?.client).toEqual({
    region: "sam",
    uptimePercent: null,
    latencyMs: null,
    throughputTokensPerS: null,
  });
});

test("gates that fail or never answer are left out, and the answer waits for none of them longer than its bound", async () => {
  const startedAtMs = performance.now();
  const found = await readSnapshots(entryOf(MODEL, [{ tag: "oak", regions: ["frankfurt", "tokyo", "virginia"] }]), {
    gate: (_, region) => ({
      snapshot: async () => {
        if (region === "tokyo") throw new Error("gone");
        return region === "virginia" ? await new Promise<never>(() => {}) : snapshot({});
      },
    }),
    hasCredential: () => true,
  });
  expect([...found.keys()]).toEqual(["oak frankfurt"]);
  expect(performance.now() - startedAtMs).toBeLessThan(READ_MS_MAX + 500);
});

test("a model with very many places asks a bounded number of gates", async () => {
  const wishes = Array.from({ length: PLACES_MAX + 20 }, (_, at) => ({ tag: `oak${at}`, regions: ["frankfurt"] }));
  let asked = 0;
  await readSnapshots(entryOf(MODEL, wishes), {
    gate: () => ({
      snapshot: async () => {
        asked += 1;
        return snapshot({});
      },
    }),
    hasCredential: () => true,
  });
  expect(asked).toBe(PLACES_MAX);
});

/** Gates that count how often they are asked, and answer with the figures of two models. */
function countingGates() {
  const other = { model: "forest/root", tag: "oak", version: 1, health: healthy, closings: {}, limits: {} };
  const counts = { asked: 0 };
  const ports = {
    gate: () => ({
      snapshot: async (model?: string) => {
        counts.asked += 1;
        const own = snapshot({});
        return { ...own, endpoints: [...own.endpoints, other].filter((one) => one.model === model) };
      },
    }),
    hasCredential: () => true,
  };
  return { counts, ports };
}

test("who asks again within seconds gets what was read before, without a call to any gate", async () => {
  const { counts, ports } = countingGates();
  const read = createSnapshotReader();
  const first = await read(entry, ports, NOW);
  expect(counts.asked).toBe(2);
  expect(await read(entry, ports, NOW + RECENT_MS - 1)).toBe(first);
  expect(counts.asked).toBe(2);
  await read(entry, ports, NOW + RECENT_MS);
  expect(counts.asked).toBe(4);
});

test("while one reads anew, others get the last figures and ask nobody", async () => {
  const { counts, ports } = countingGates();
  const read = createSnapshotReader();
  const first = await read(entry, ports, NOW);
  const [, ...others] = await Promise.all(Array.from({ length: 5 }, () => read(entry, ports, NOW + RECENT_MS)));
  expect(others.every((one) => one === first)).toBe(true);
  expect(counts.asked).toBe(4);
});

test("a new publication of a model is read anew", async () => {
  const { counts, ports } = countingGates();
  const read = createSnapshotReader();
  await read(entry, ports, NOW);
  await read(entryOf(MODEL, [{ tag: "oak", regions: ["frankfurt"] }]), ports, NOW);
  expect(counts.asked).toBe(3);
});

test("nothing of other models is kept, and no more models than the bound", async () => {
  const { counts, ports } = countingGates();
  const read = createSnapshotReader();
  const kept = await read(entry, ports, NOW);
  expect([...kept.values()].flatMap(({ endpoints }) => endpoints.map(({ model }) => model))).toEqual([MODEL, MODEL]);
  for (let at = 0; at < RECENT_MODELS_MAX; at++) {
    await read(entryOf(`forest/leaf-${at}`, [{ tag: "oak", regions: ["frankfurt"] }]), ports, NOW);
  }
  counts.asked = 0;
  await read(entry, ports, NOW);
  expect(counts.asked).toBe(2);
});
