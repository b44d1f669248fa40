/** The isolate's side of the ProviderGates against gates that answer as the test says, and a clock that it moves. */
import { afterEach, expect, test, vi } from "vitest";
import { asEndpointTag, asModelId, asProviderId, asRegionId } from "../../../src/core/ids.ts";
import {
  createProviderClient,
  type AttemptAsk,
  type ProviderClient,
  type SharedSnapshot,
} from "../../../src/gates/provider-client.ts";
import type { EndpointHealth, ProviderSnapshot, SyncRequest } from "../../../src/gates/provider-contract.ts";
import type { Permit } from "../../../src/gates/provider-permits.ts";
import type { CapacityAnswer, CapacityAsk } from "../../../src/limits/capacity-desk.ts";
import type { LeaseWish } from "../../../src/limits/capacity.ts";
import { healthAfter, healthSnapshot, NEW_HEALTH, type Outcome } from "../../../src/limits/health.ts";
import { standingOf } from "../../../src/router/score.ts";

const PLACE = { provider: asProviderId("acme"), region: asRegionId("here") };
const AT = { ...PLACE, model: asModelId("a/b"), tag: asEndpointTag("acme") };
const KEY = "a/b acme";
const START_MS = 1_800_000_000_000;
const LENT = { slots: 4, requests: 100, tokens: 100_000, lifeMs: 10_000, countedAtMs: 0, isShort: false };
const REFUSED = { kind: "failure", scope: "credential", status: 401, retryAfterMs: null } as const;
const WELL = { kind: "success", ttftMs: 200, durationMs: 900, tokens: 50, bucket: null } as const;
const THROTTLED = { kind: "failure", scope: "capacity", status: 429, retryAfterMs: 5_000 } as const;

interface World {
  readonly client: ProviderClient;
  /** What the gate says from now on; a promise that rejects is a gate that cannot be reached. */
  says(snapshot: Partial<ProviderSnapshot> | Promise<never>): void;
  /** How long the gate takes, by the real clock. */
  takes(ms: number): void;
  pass(ms: number): void;
  readonly syncs: readonly SyncRequest[];
  readonly wishes: readonly LeaseWish[];
  readonly asks: readonly CapacityAsk[];
  /** Each call's branch; null: the gate itself. */
  readonly called: readonly (number | null)[];
  warm(): Promise<void>;
  permit(ask?: Partial<AttemptAsk>): Permit | Promise<Permit>;
  /** Ends what was given to the platform. */
  settle(): Promise<void>;
}

interface Setup {
  readonly secret?: string | null;
  readonly baseUrl?: string;
  /** What an ask is answered; absent: the gate cannot be reached. */
  readonly answer?: CapacityAnswer;
  readonly shared?: Map<string, SharedSnapshot>;
  /** How many branches the gate says that it has. */
  readonly branches?: number;
}

function world({ secret = "secret", baseUrl, answer, shared, branches }: Setup = {}): World {
  let nowMs = START_MS;
  let said: Partial<ProviderSnapshot> | Promise<never> = {};
  let takesMs = 0;
  const syncs: SyncRequest[] = [];
  const wishes: LeaseWish[] = [];
  const asks: CapacityAsk[] = [];
  const called: (number | null)[] = [];
  let work: Promise<unknown>[] = [];
  const waitUntil = (one: Promise<unknown>): void => void work.push(one);
  const client = createProviderClient({
    clock: () => nowMs,
    environment: () => ({ secret, baseUrl: baseUrl ?? null }),
    unseal: async (sealed) => sealed.replace("sealed ", ""),
    reporter: "test",
    sharing:
      shared === undefined
        ? null
        : {
            read: async ({ region }) => shared.get(region) ?? null,
            write: async ({ region }, one) => void shared.set(region, one),
          },
    gate: (_provider, _region, branch) => ({
      async sync(request) {
        called.push(branch);
        syncs.push(request);
        if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
        const given = await said;
        const leaves = request.probes;
        const basics = { atMs: nowMs, endpoints: [], isDisabled: false, credentialSealed: null, credentials: [] };
        return { ...basics, nextInMs: 1_000, leaves, ...given };
      },
      async exchange(_name, wish) {
        called.push(branch);
        wishes.push(wish);
        return { ...LENT, countedAtMs: nowMs, branches };
      },
      async ask(ask) {
        called.push(branch);
        asks.push(ask);
        if (answer === undefined) throw new Error("the gate restarts");
        return answer;
      },
    }),
  });
  const standard: AttemptAsk = {
    rule: null,
    isShared: false,
    tokens: 10,
    account: "a",
    isPaid: true,
    waitMs: 0,
    seed: null,
    tried: new Set(),
  };
  return {
    client,
    says(snapshot) {
      said = snapshot;
    },
    takes(ms) {
      takesMs = ms;
    },
    pass(ms) {
      nowMs += ms;
    },
    syncs,
    wishes,
    asks,
    called,
    warm: async () => {
      await client.warm([PLACE], waitUntil);
    },
    permit: (ask) => client.permit(AT, { ...standard, ...ask }, waitUntil),
    async settle() {
      while (work.length > 0) {
        const now = work;
        work = [];
        await Promise.all(now);
      }
    },
  };
}

/** The secret that an attempt may send, or why it may not. */
function secretOf(permit: Permit | Promise<Permit>): string {
  if (permit instanceof Promise) return "a promise";
  return permit.kind === "granted" ? permit.credential.secret : permit.kind;
}

function reported(client: ProviderClient, permit: Permit | Promise<Permit>, outcome: Outcome) {
  if (permit instanceof Promise) throw new Error("a promise");
  client.report(AT, outcome, permit, () => undefined);
}

function standing(more: Partial<EndpointHealth> = {}): EndpointHealth {
  const health = healthSnapshot(NEW_HEALTH, START_MS);
  return { model: "a/b", tag: "acme", version: 7, health, closings: {}, limits: {}, ...more };
}

afterEach(() => {
  vi.useRealTimers();
});

test("a warm isolate waits for nobody, and asks anew every 3 s", async () => {
  const { client, pass, syncs, warm } = world();
  await warm();
  expect(client.warm([PLACE], () => undefined)).toBe(null);
  pass(3_000);
  expect(client.warm([PLACE], () => undefined)).toBe(null);
  await vi.waitFor(() => expect(syncs).toHaveLength(2));
});

test("a provider that was switched off while nobody asked is not used by the next one who does", async () => {
  const { client, says, takes, pass, warm } = world();
  await warm();
  says({ isDisabled: true });
  takes(30);
  pass(9_000);
  await warm();
  expect([...client.switchedOff()]).toEqual([PLACE.provider]);
});

test("requests that come while the first one reads the gate know the stored credential, too", async () => {
  const { says, takes, syncs, warm, permit } = world({ secret: null });
  says({ credentialSealed: "sealed stored" });
  takes(150);
  const known = async () => {
    await warm();
    return secretOf(permit());
  };
  expect(await Promise.all([known(), known(), known()])).toEqual(["stored", "stored", "stored"]);
  expect(syncs).toHaveLength(1);
});

test("a stored credential goes where the environment sends the provider's traffic, commas and all", async () => {
  const { says, warm, permit } = world({ secret: null, baseUrl: "http://127.0.0.1:9/v1" });
  says({ credentialSealed: "sealed sto,red" });
  await warm();
  expect(permit()).toMatchObject({
    credential: { id: "stored-1", secret: "sto,red", baseUrl: "http://127.0.0.1:9/v1" },
  });
});

test("a gate that cannot be reached delays nobody for long, and what was known goes on", async () => {
  const { says, pass, warm, permit } = world({ secret: null });
  says({ credentialSealed: "sealed stored" });
  await warm();
  const gone = Promise.reject<never>(new Error("unreachable"));
  gone.catch(() => undefined);
  says(gone);
  pass(20_000);
  await warm();
  expect(secretOf(permit())).toBe("stored");
});

test("an isolate asks for the endpoints that it uses, with what it knows of them, and for no others", async () => {
  const { client, says, pass, warm, settle, syncs } = world();
  const look = () => client.health(AT.provider, AT.region, AT.tag, AT.model);
  const next = async (): Promise<void> => {
    pass(3_000);
    await warm();
    await settle();
  };
  await warm();
  expect(look()).toBe(undefined);
  says({ endpoints: [standing()] });
  await next();
  expect(look()).toBeDefined();
  await next();
  await next();
  expect(syncs.map(({ wants }) => wants)).toEqual([[], [[KEY, 0]], [[KEY, 7]], []]);
});

test("what goes well goes with the next look every 3 s, after 1 s where it is many or word of a recovery", async () => {
  const { client, says, pass, warm, permit, syncs, settle } = world();
  const work: Promise<unknown>[] = [];
  const succeed = async (times = 1): Promise<number> => {
    const given = await permit();
    for (let time = 0; time < times; time++) client.report(AT, WELL, given, (one) => void work.push(one));
    await Promise.all(work);
    return syncs.length;
  };
  await warm();
  await settle();
  expect(await succeed()).toBe(1);
  pass(1_500);
  expect(await succeed()).toBe(1);
  expect(await succeed(100)).toBe(2);
  pass(3_000);
  expect(await succeed()).toBe(3);
  expect(syncs.map(({ outcomes }) => outcomes.length)).toEqual([0, 100, 3]);
  // The endpoint's breaker is open: the gate waits for word of its probe.
  const health = { ...standing().health, breaker: { kind: "open", untilMs: START_MS, trips: 1 } } as const;
  says({ endpoints: [standing({ health })] });
  pass(3_000);
  await warm();
  await settle();
  pass(1_000);
  expect(await succeed()).toBe(5);
});

test("credentials take turns, and one seed keeps to one", async () => {
  const { warm, permit } = world({ secret: "one, two,three" });
  await warm();
  expect([permit(), permit(), permit(), permit()].map(secretOf)).toEqual(["one", "two", "three", "one"]);
  expect([1, 1, 4, 2].map((seed) => secretOf(permit({ seed })))).toEqual(["two", "two", "two", "three"]);
  expect(secretOf(permit({ seed: 1, tried: new Set(["environment-2"]) }))).toBe("three");
});

test("a credential that is refused twice is out at once, alone, and the endpoint's breaker stays closed", async () => {
  const { client, warm, permit } = world({ secret: "bad,good" });
  await warm();
  for (let time = 0; time < 2; time++) reported(client, permit({ seed: 0 }), REFUSED);
  expect([permit(), permit(), permit()].map(secretOf)).toEqual(["good", "good", "good"]);
  expect([...client.withCredential([PLACE.provider])]).toEqual([PLACE.provider]);
  const health = client.health(AT.provider, AT.region, AT.tag, AT.model);
  expect(health).toMatchObject({ breaker: { kind: "closed", failures: 0 } });
});

test("one refusal is no confirmation", async () => {
  const { client, warm, permit } = world({ secret: "bad,good" });
  await warm();
  reported(client, permit({ seed: 0 }), REFUSED);
  expect(secretOf(permit({ seed: 0 }))).toBe("bad");
});

test("when all are refused the provider is out, until the gate gives leave for a probe, once", async () => {
  const { client, says, pass, warm, permit, syncs } = world({ secret: "bad" });
  const open = { kind: "open", untilMs: START_MS + 60_000, trips: 1 } as const;
  says({ credentials: [{ id: "environment-1", breaker: open }] });
  await warm();
  expect([...client.withCredential([PLACE.provider])]).toEqual([]);
  expect(secretOf(permit())).toBe("no_credential");
  pass(60_000);
  expect([...client.withCredential([PLACE.provider])]).toEqual([]);
  await warm();
  expect(syncs.at(-1)?.probes).toEqual(["environment-1"]);
  expect([...client.withCredential([PLACE.provider])]).toEqual([PLACE.provider]);
  expect([permit(), permit()].map(secretOf)).toEqual(["bad", "no_credential"]);
});

test("among many providers one whose credentials are refused is out at once, and in again with the gate's word", async () => {
  const { client, says, pass, warm, permit, settle } = world({ secret: "bad" });
  const others = Array.from({ length: 9 }, (_, at) => asProviderId(`other-${at}`));
  const providers = [...others, PLACE.provider];
  await warm();
  const before = client.withCredential(providers);
  expect([...before]).toEqual(providers);
  // Nothing has changed: the same answer again.
  expect(client.withCredential(providers)).toBe(before);
  for (let time = 0; time < 2; time++) reported(client, permit(), REFUSED);
  expect([...client.withCredential(providers)]).toEqual(others);
  const untilMs = START_MS + 60_000;
  says({ credentials: [{ id: "environment-1", breaker: { kind: "open", untilMs, trips: 1 } }] });
  pass(3_000);
  await warm();
  await settle();
  expect([...client.withCredential(providers)]).toEqual(others);
  says({ credentials: [{ id: "environment-1", breaker: { kind: "closed", failures: 0 } }] });
  pass(3_000);
  await warm();
  await settle();
  expect([...client.withCredential(providers)]).toEqual(providers);
});

test("a credential that is stored, or taken away, counts for a model of many providers with the next look", async () => {
  const { client, says, pass, warm, settle } = world({ secret: null });
  const providers = [...Array.from({ length: 9 }, (_, at) => asProviderId(`other-${at}`)), PLACE.provider];
  await warm();
  expect([...client.withCredential(providers)]).toEqual([]);
  says({ credentialSealed: "sealed stored" });
  pass(3_000);
  await warm();
  await settle();
  expect([...client.withCredential(providers)]).toEqual([PLACE.provider]);
  says({ credentialSealed: null });
  pass(3_000);
  await warm();
  await settle();
  expect([...client.withCredential(providers)]).toEqual([]);
});

test("a 429 closes the endpoint for the credential that got it; for all of them, for exactly as long as asked", async () => {
  const { client, pass, warm, permit } = world({ secret: "one,two" });
  await warm();
  reported(client, permit({ seed: 0 }), THROTTLED);
  expect([permit(), permit()].map(secretOf)).toEqual(["two", "two"]);
  expect(client.health(AT.provider, AT.region, AT.tag, AT.model)?.closedUntilMs).toBe(0);
  pass(1_000);
  reported(client, permit({ seed: 1 }), THROTTLED);
  expect(client.health(AT.provider, AT.region, AT.tag, AT.model)?.closedUntilMs).toBe(START_MS + 5_000);
  expect(permit()).toEqual({ kind: "refused", retryAfterMs: 4_000 });
  pass(4_000);
  expect(secretOf(permit())).toBe("one");
});

test("an answer that had ended before the endpoint broke, and is reported later, mends nothing", async () => {
  const { client, pass, warm, permit, settle, syncs } = world();
  await warm();
  const broken = { kind: "failure", scope: "endpoint", status: 503, retryAfterMs: null } as const;
  pass(10);
  for (let time = 0; time < 5; time++) reported(client, permit(), broken);
  pass(50);
  const given = permit();
  if (given instanceof Promise) throw new Error("a promise");
  const soon = { ...WELL, ttftMs: 200, durationMs: 200 };
  client.report(AT, soon, given, () => undefined, START_MS + 5);
  const breaker = () => client.health(AT.provider, AT.region, AT.tag, AT.model)?.breaker;
  expect(breaker()).toMatchObject({ kind: "open" });
  pass(3_000);
  await warm();
  await settle();
  expect(syncs.at(-1)?.outcomes.map(({ atMs }) => (atMs ?? 0) - START_MS)).toEqual([10, 10, 10, 10, 10, 5]);
  // One that began after the failures ends the outage.
  client.report(AT, soon, given, () => undefined);
  expect(breaker()).not.toMatchObject({ kind: "open" });
});

test("the probe of a broken endpoint is asked for, and sent once", async () => {
  const { client, says, pass, warm, syncs } = world();
  const health = { ...standing().health, breaker: { kind: "open", untilMs: START_MS + 10_000, trips: 1 } } as const;
  says({ endpoints: [standing({ health })] });
  await warm();
  expect(client.health(AT.provider, AT.region, AT.tag, AT.model)).toMatchObject({ hasProbeLeave: false });
  expect(client.mayProbe(AT)).toBe(false);
  pass(10_000);
  client.health(AT.provider, AT.region, AT.tag, AT.model);
  await warm();
  expect(syncs.at(-1)?.probes).toEqual([KEY]);
  expect(client.health(AT.provider, AT.region, AT.tag, AT.model)).toMatchObject({ hasProbeLeave: true });
  expect([client.mayProbe(AT), client.mayProbe(AT)]).toEqual([true, false]);
});

test("without a limit leave is given at once, and the gate never asked", async () => {
  const { warm, permit, asks, wishes, settle } = world();
  await warm();
  const permits = Array.from({ length: 500 }, () => permit());
  expect(permits.every((one) => !(one instanceof Promise) && one.kind === "granted")).toBe(true);
  expect(permits[0]).toMatchObject({ kind: "granted" });
  for (const one of permits) if (!(one instanceof Promise) && one.kind === "granted") one.done();
  await settle();
  expect([asks.length, wishes.length]).toEqual([0, 0]);
});

test("with a limit the first one asks, and a warm isolate waits for nobody", async () => {
  vi.useFakeTimers();
  const granted: CapacityAnswer = { kind: "granted", pool: "environment-1" };
  const { warm, permit, asks, wishes, pass } = world({ answer: granted });
  await warm();
  const rule = { concurrency: 10, requestsPerMin: 1_000 };
  const first = await permit({ rule });
  await vi.advanceTimersByTimeAsync(0);
  pass(10);
  const warmOnes = [permit({ rule }), permit({ rule })];
  expect(warmOnes.map(secretOf)).toEqual(["secret", "secret"]);
  expect(secretOf(permit({ rule, isPaid: false }))).toBe("a promise");
  expect(asks.map(({ isPaid, account, tokens }) => ({ isPaid, account, tokens }))).toEqual([
    { isPaid: true, account: "a", tokens: 10 },
    { isPaid: false, account: "a", tokens: 10 },
  ]);
  expect(wishes).toHaveLength(1);
  for (const one of [first, ...warmOnes]) if (!(one instanceof Promise) && one.kind === "granted") one.done();
});

test("where a capacity is set and the gate cannot be asked, the attempt goes out", async () => {
  const { permit } = world();
  expect((await permit({ rule: { concurrency: 1 } })).kind).toBe("granted");
});

test("a refusal is the gate's, and who may not wait is refused here for a moment more", async () => {
  const { permit, asks, pass } = world({ answer: { kind: "refused", retryAfterMs: 700 } });
  const rule = { concurrency: 1 };
  expect(await permit({ rule })).toEqual({ kind: "refused", retryAfterMs: 700 });
  expect(permit({ rule })).toEqual({ kind: "refused", retryAfterMs: 100 });
  expect(asks).toHaveLength(1);
  expect(permit({ rule, waitMs: 2_000 })).toBeInstanceOf(Promise);
  pass(100);
  expect(permit({ rule })).toBeInstanceOf(Promise);
});

test("a limit that was learnt binds this endpoint with this credential, nothing else", async () => {
  const { says, warm, permit, asks } = world({ secret: "one,two", answer: { kind: "refused", retryAfterMs: 1 } });
  says({ endpoints: [standing({ limits: { "environment-1": 3 } })] });
  await warm();
  expect(secretOf(permit({ seed: 0 }))).toBe("two");
  expect(secretOf(permit({ seed: 0, tried: new Set(["environment-2"]) }))).toBe("a promise");
  expect(asks[0]?.pools).toEqual([{ pool: `environment-1 ${KEY}`, rule: null, isShared: false }]);
});

test("a long attempt is heard of every ten seconds until it ends, and what it held goes back", async () => {
  vi.useFakeTimers({ now: START_MS });
  const { permit, pass, wishes, warm } = world({ answer: { kind: "granted", pool: "environment-1" } });
  await warm();
  const given = await permit({ rule: { concurrency: 2 } });
  for (let second = 0; second < 35; second++) {
    pass(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  const whileRunning = wishes.filter(({ slotsHeld }) => slotsHeld > 0).length;
  expect(whileRunning).toBeGreaterThanOrEqual(3);
  expect(whileRunning).toBeLessThanOrEqual(6);
  if (given.kind === "granted") given.done();
  for (let second = 0; second < 30; second++) {
    pass(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(wishes.at(-1)).toMatchObject({ slotsHeld: 0 });
  expect(wishes.length).toBeLessThan(12);
});

test("in a colo that shares, one isolate asks and the others read", async () => {
  const shared = new Map<string, SharedSnapshot>();
  const one = world({ shared });
  const two = world({ shared });
  one.says({ endpoints: [standing()], isDisabled: true });
  await one.warm();
  await two.warm();
  expect([one.syncs.length, two.syncs.length]).toEqual([1, 0]);
  expect(two.client.health(AT.provider, AT.region, AT.tag, AT.model)).toMatchObject({ uptime5m: null });
  expect([...two.client.switchedOff()]).toEqual([PLACE.provider]);
  two.pass(3_000);
  shared.set(PLACE.region, { ...(shared.get(PLACE.region) as SharedSnapshot), claimedUntilMs: START_MS + 4_000 });
  await two.warm();
  expect(two.syncs).toHaveLength(0);
  two.pass(1_001);
  await two.warm();
  await vi.waitFor(() => expect(two.syncs).toHaveLength(1));
});

test("in a colo that shares, a request waits some ms for what another isolate knows, never for the gate", async () => {
  const shared = new Map<string, SharedSnapshot>();
  const one = world({ shared });
  const two = world({ shared });
  await one.warm();
  await two.warm();
  one.pass(3_000);
  two.pass(3_000);
  one.says({ isDisabled: true });
  await one.warm();
  await one.settle();
  await two.client.warm([PLACE], () => undefined);
  expect([...two.client.switchedOff()]).toEqual([PLACE.provider]);
  // Nobody has asked for 3 s: the gate takes half a second, the request goes on.
  two.pass(3_000);
  two.takes(500);
  const startMs = performance.now();
  await two.client.warm([PLACE], () => undefined);
  expect(performance.now() - startMs).toBeLessThan(250);
  expect(two.syncs).toHaveLength(1);
});

test("capacity is asked for at the branch that the gate told of, health at the gate", async () => {
  const { client, called, warm, permit, settle, pass } = world({ answer: { kind: "granted", pool: "p" }, branches: 8 });
  await warm();
  const bound = { rule: { concurrency: 8 } };
  await permit(bound);
  await settle();
  const before = called.length;
  const used = await permit({ ...bound, tokens: 1_000_000 });
  expect(called.slice(before)).toEqual([called.at(-1)]);
  expect(called.at(-1)).toBeGreaterThanOrEqual(0);
  expect(called.at(-1)).toBeLessThan(8);
  pass(5_000);
  reported(client, used, THROTTLED);
  expect(called.at(-1)).toBeNull();
});

test.each([
  {
    name: "an isolate that hears once a minute believes the one failure that it has seen",
    nextInMs: 60_000,
    ok: false,
  },
  { name: "so does one that has heard nothing of the endpoint", nextInMs: 60_000, ok: false, isKnown: false },
  { name: "one that hears every second waits for the gate's word", nextInMs: 1_000, ok: true },
])("$name", async ({ nextInMs, ok, isKnown = true }) => {
  const good = { kind: "success", bucket: null, ttftMs: 300, tokens: 10, durationMs: 1_000 } as const;
  let state = NEW_HEALTH;
  for (let at = 0; at < 1_000; at++) state = healthAfter(state, good, START_MS - 60_000 + at);
  const { client, says, warm, pass } = world();
  says({ nextInMs, endpoints: isKnown ? [standing({ health: healthSnapshot(state, START_MS) })] : [] });
  await warm();
  pass(1_000);
  client.report(AT, { kind: "failure", scope: "endpoint", status: 503, retryAfterMs: null }, null, () => undefined);
  pass(100);
  const standingAt = (ms: number) => standingOf(client.health(PLACE.provider, PLACE.region, AT.tag, AT.model), ms);
  expect(standingAt(START_MS + 1_100) === "healthy").toBe(ok);
  // However long it takes until it hears.
  pass(40_000);
  expect(standingAt(START_MS + 41_100) === "healthy").toBe(ok);
});
