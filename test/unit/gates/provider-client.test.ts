/** The isolate's side of the ProviderGates against gates that answer as the test says, and a clock that it moves. */
import { expect, test, vi } from "vitest";
import { asEndpointTag, asModelId, asProviderId, asRegionId } from "../../../src/core/ids.ts";
import { createProviderClient, type ProviderClient } from "../../../src/gates/provider-client.ts";
import type { ProviderSnapshot } from "../../../src/gates/provider-contract.ts";
import { BREAKER_CLOSED } from "../../../src/limits/breaker.ts";

const PLACE = { provider: asProviderId("acme"), region: asRegionId("here") };
const START_MS = 1_800_000_000_000;

interface World {
  readonly client: ProviderClient;
  /** What the gate says from now on; a promise that rejects is a gate that cannot be reached. */
  says(snapshot: Partial<ProviderSnapshot> | Promise<never>): void;
  /** How long the gate takes, by the real clock. */
  takes(ms: number): void;
  pass(ms: number): void;
  calls(): number;
  warm(): Promise<void>;
  /** What leases were asked for, in order. */
  readonly leases: readonly string[];
}

function world(secret: string | null = null, baseUrl: string | null = null, lendsTo: number | null = null): World {
  let nowMs = START_MS;
  let answer: Partial<ProviderSnapshot> | Promise<never> = {};
  let takesMs = 0;
  let calls = 0;
  const leases: string[] = [];
  const client = createProviderClient({
    clock: () => nowMs,
    environment: () => ({ secret, baseUrl }),
    unseal: async (sealed) => sealed.replace("sealed ", ""),
    reporter: "test",
    gate: () => ({
      async sync() {
        calls++;
        if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
        const given = await answer;
        return {
          atMs: nowMs,
          endpoints: [],
          isDisabled: false,
          credentialSealed: null,
          credential: BREAKER_CLOSED,
          nextInMs: 1_000,
          ...given,
        };
      },
      lease: async ({ id }) => {
        if (lendsTo === null) throw new Error("the gate restarts");
        leases.push(`lease ${id}`);
        return { granted: lendsTo, untilMs: nowMs + 1, retryAfterMs: lendsTo === 0 ? 500 : 0 };
      },
      renew: async (id) => {
        leases.push(`renew ${id}`);
        if (leases.length === 2) throw new Error("the gate restarts");
      },
      giveBack: async (id) => void leases.push(`give back ${id}`),
    }),
  });
  return {
    client,
    says(snapshot) {
      answer = snapshot;
    },
    takes(ms) {
      takesMs = ms;
    },
    pass(ms) {
      nowMs += ms;
    },
    calls: () => calls,
    leases,
    warm: async () => {
      await client.warm([PLACE], () => undefined);
    },
  };
}

test("a warm isolate waits for nobody, and asks anew every 3 s", async () => {
  const { client, pass, calls, warm } = world("secret");
  await warm();
  expect(client.warm([PLACE], () => undefined)).toBe(null);
  pass(3_000);
  expect(client.warm([PLACE], () => undefined)).toBe(null);
  await vi.waitFor(() => expect(calls()).toBe(2));
});

test("a provider that was switched off while nobody asked is not used by the next one who does", async () => {
  const { client, says, takes, pass, warm } = world("secret");
  await warm();
  says({ isDisabled: true });
  takes(30);
  pass(9_000);
  await warm();
  expect([...client.switchedOff()]).toEqual([PLACE.provider]);
});

test("requests that come while the first one reads the gate know the stored credential, too", async () => {
  const { client, says, takes, calls, warm } = world();
  says({ credentialSealed: "sealed stored" });
  takes(150);
  const known = async () => {
    await warm();
    return client.credential(PLACE.provider)?.secret;
  };
  expect(await Promise.all([known(), known(), known()])).toEqual(["stored", "stored", "stored"]);
  expect(calls()).toBe(1);
});

test("a stored credential goes where the environment sends the provider's traffic", async () => {
  const { client, says, warm } = world(null, "http://127.0.0.1:9/v1");
  says({ credentialSealed: "sealed stored" });
  await warm();
  expect(client.credential(PLACE.provider)).toEqual({ secret: "stored", baseUrl: "http://127.0.0.1:9/v1" });
});

test("a gate that cannot be reached delays nobody for long, and what was known goes on", async () => {
  const { client, says, pass, warm } = world();
  says({ credentialSealed: "sealed stored" });
  await warm();
  const gone = Promise.reject<never>(new Error("unreachable"));
  gone.catch(() => undefined);
  says(gone);
  pass(20_000);
  await warm();
  expect(client.credential(PLACE.provider)?.secret).toBe("stored");
});

test("where a capacity is set and the gate cannot be asked, the attempt goes out", async () => {
  const { client } = world("secret");
  const permit = await client.permit(PLACE, { concurrency: 1 }, 10, () => undefined);
  expect(permit.kind).toBe("granted");
});

test("a lease is renewed every minute until the attempt ends, whatever the gate answers", async () => {
  vi.useFakeTimers();
  const { client, leases } = world("secret", null, 1);
  const work: Promise<unknown>[] = [];
  const permit = await client.permit(PLACE, { concurrency: 1 }, 10, (one) => void work.push(one));
  await vi.advanceTimersByTimeAsync(179_000);
  if (permit.kind === "granted") permit.done();
  await vi.advanceTimersByTimeAsync(600_000);
  await Promise.all(work);
  expect(leases).toEqual(["lease test 1", "renew test 1", "renew test 1", "give back test 1"]);
  vi.useRealTimers();
});

test("a permit that was refused renews nothing", async () => {
  vi.useFakeTimers();
  const { client, leases } = world("secret", null, 0);
  expect(await client.permit(PLACE, { concurrency: 1 }, 10, () => undefined)).toEqual({
    kind: "refused",
    retryAfterMs: 500,
  });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(leases).toEqual(["lease test 1"]);
  vi.useRealTimers();
});

test("an isolate's own failures count at once", async () => {
  const { client, warm } = world("secret");
  await warm();
  const endpoint = { model: asModelId("a/b"), tag: asEndpointTag("acme") };
  const outcome = { kind: "failure", scope: "capacity", status: 429, retryAfterMs: 5_000 } as const;
  client.report(PLACE, { ...endpoint, outcome }, () => undefined);
  expect(client.health(PLACE.provider, PLACE.region, endpoint.tag, endpoint.model)?.closedUntilMs).toBe(
    START_MS + 5_000,
  );
});
