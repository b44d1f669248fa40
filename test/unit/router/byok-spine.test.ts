/**
 * One request on the spine of an account with its own credentials: which secret is sent, what is held and charged, who is
 * told of failures, and that nothing is sent by a plan that the account's gate knows to be out of date.
 */
import { expect, test } from "vitest";
import type { ByokGrant } from "../../../src/accounts/byok.ts";
import { asByokId, asProviderId } from "../../../src/core/ids.ts";
import { ok } from "../../../src/core/result.ts";
import type { Admission, AdmitRequest, Settlement } from "../../../src/gates/account-contract.ts";
import { createByokClient } from "../../../src/gates/byok-client.ts";
import { generate } from "../../../src/router/generate.ts";
import type { Generated } from "../../../src/router/job.ts";
import type { RouterPorts } from "../../../src/router/ports.ts";
import { inputOf, portsOf, permitOf } from "./spine.ts";
import { entryOf, NOW } from "./world.ts";

/** $1 and $2 per million tokens, at 100 prompt and 200 completion tokens: $0.0005, and half of it for the provider. */
const LIST_NUSD = 500_000n;
const USAGE = { prompt_tokens: 100, completion_tokens: 200 };

type Answer = (secret: string) => Response;
const good: Answer = () =>
  Response.json({
    choices: [{ index: 0, message: { content: "Hello ".repeat(20) }, finish_reason: "stop" }],
    usage: USAGE,
  });
const status =
  (code: number): Answer =>
  (secret) =>
    Response.json({ error: { message: `No, ${secret}.` } }, { status: code });

interface World {
  /** The gate's present state; null: no own credential. */
  readonly grant: ByokGrant | null;
  /** By secret; the shared one is `shared`. */
  readonly answers?: Readonly<Record<string, Answer>>;
  readonly balanceNusd?: bigint;
  readonly hasShared?: boolean;
}

const grantOf = (given: Partial<ByokGrant["credentials"][number]> = {}, feeBps = 500): ByokGrant => ({
  token: "1.500",
  feeBps,
  credentials: [
    {
      id: asByokId("mine"),
      provider: asProviderId("a"),
      sealed: "own",
      isFallback: false,
      alwaysUse: false,
      sortOrder: 0,
      allowedModels: null,
      allowedKeyHashes: null,
      ...given,
    },
  ],
});

async function run(world: World, times = 1) {
  const log: string[] = [];
  const admitted: AdmitRequest[] = [];
  const settled: Settlement[] = [];
  const works: Promise<unknown>[] = [];
  const plain = portsOf([]);
  const grantFor = (token: string): ByokGrant | null => (world.grant?.token === token ? null : world.grant);
  const admit = async (request: AdmitRequest): Promise<Admission> => {
    admitted.push(request);
    const grant = grantFor(request.byokToken ?? "");
    if (grant !== null) return { kind: "byok", grant };
    const balance = world.balanceNusd ?? 10n ** 9n;
    if (balance < request.minimumNusd) return { kind: "short", spendableNusd: balance, limitSource: "credits" };
    const holdNusd = balance < request.wantedNusd ? balance : request.wantedNusd;
    return { kind: "admitted", holdNusd, expiresAtMs: NOW + 60_000, lease: null };
  };
  const entry = entryOf("test/m", [{ tag: "a", prompt: 1_000_000, completion: 2_000_000 }]);
  const [endpoint] = entry.model.endpoints;
  if (endpoint === undefined) throw new Error("no endpoint");
  const billed = { ...endpoint, upstream_price: { prompt: 500_000, completion: 1_000_000 } };
  const ports: RouterPorts = {
    ...plain,
    waitUntil: (work) => void works.push(work),
    resolve: async () =>
      ok({
        entry: { ...entry, model: { ...entry.model, endpoints: [billed] } },
        version: "v1",
        thinking: false,
        isFree: false,
        warnings: [],
      }),
    byok: createByokClient({
      clock: () => NOW,
      gate: () => ({ byokGrant: async (token) => ok(grantFor(token)) }),
      unseal: async (sealed) => sealed,
    }),
    accounts: {
      ...plain.accounts,
      admit: async (_account, request) => await admit(request),
      settle: async (_account, settlement) => {
        settled.push(settlement);
        return true;
      },
    },
    providers: {
      ...plain.providers,
      withCredential: (slugs) => new Set(world.hasShared === false ? [] : slugs),
      report: (_at, outcome) => void log.push(`report ${outcome.kind}`),
      permit: () => {
        log.push("permit");
        return permitOf("shared");
      },
    },
    fetch: async (_url, init) => {
      const secret = String(new Headers(init.headers).get("authorization")).replace("Bearer ", "");
      log.push(`ask ${secret}`);
      return (world.answers?.[secret] ?? good)(secret);
    },
  };
  let generated: Generated | null = null;
  for (let at = 0; at < times; at++) {
    generated = await generate({ ...inputOf({ max_tokens: 200 }), wantsMetadata: true }, ports);
    while (works.length > 0) await works.shift();
  }
  if (generated === null) throw new Error("nothing was asked");
  return { generated, log, admitted, settled };
}

test("an own credential is sent, the fee alone is held and charged, nobody else hears of it", async () => {
  const { generated, log, admitted, settled } = await run({ grant: grantOf({ alwaysUse: true }) });
  expect(log).toEqual(["ask own"]);
  // The first plan knew nothing of it and held nothing; the second one asks for the fee of its worst case.
  expect(admitted.map(({ byokToken }) => byokToken)).toEqual(["", "1.500"]);
  expect((admitted[1]?.wantedNusd ?? 0n) * 20n).toBe(admitted[0]?.wantedNusd);
  const feeNusd = LIST_NUSD / 20n;
  expect(settled).toMatchObject([
    {
      costNusd: feeNusd,
      upstreamCostNusd: 0n,
      record: { isByok: true, costNusd: Number(feeNusd), upstreamCostNusd: 250_000, attempts: [{ isByok: true }] },
      byok: { outcomes: [{ id: "mine", error: null }], listNusd: LIST_NUSD, upstreamNusd: LIST_NUSD / 2n },
    },
  ]);
  expect(generated).toMatchObject({
    kind: "reply",
    body: {
      usage: { is_byok: true, cost: 0.000025, cost_details: { upstream_inference_cost: 0.00025 } },
      openrouter_metadata: {
        is_byok: true,
        endpoints: { available: [{ is_byok: true, selected: true }] },
        attempts: [{ status: 200, is_byok: true }],
      },
    },
  });
});

test("what was learned once is planned with at once", async () => {
  const { log, admitted } = await run({ grant: grantOf() }, 3);
  expect(admitted.map(({ byokToken }) => byokToken)).toEqual(["", "1.500", "1.500", "1.500"]);
  expect(log).toEqual(["ask own", "ask own", "ask own"]);
});

test("an account without any plans once and is served as ever", async () => {
  const { log, admitted, settled } = await run({ grant: null });
  expect(log).toEqual(["permit", "ask shared", "report success"]);
  expect(admitted).toHaveLength(1);
  expect(settled).toMatchObject([{ costNusd: LIST_NUSD, upstreamCostNusd: LIST_NUSD / 2n, record: { isByok: false } }]);
  expect(settled[0]).not.toHaveProperty("byok");
});

test.each([{ code: 401 }, { code: 402 }, { code: 429 }, { code: 500 }])(
  "an own credential that gets $code yields to the shared one, whose health hears nothing of it",
  async ({ code }) => {
    const { generated, log, settled } = await run({ grant: grantOf(), answers: { own: status(code) } });
    expect(log).toEqual(["ask own", "permit", "ask shared", "report success"]);
    expect(settled).toMatchObject([
      {
        costNusd: LIST_NUSD,
        upstreamCostNusd: LIST_NUSD / 2n,
        record: { isByok: false, attempts: [{ isByok: true, status: code }, { status: 200 }] },
        byok: { outcomes: [{ id: "mine", error: { status: code } }], listNusd: 0n, upstreamNusd: 0n },
      },
    ]);
    expect(generated).toMatchObject({
      body: {
        usage: { is_byok: false, cost: 0.0005 },
        openrouter_metadata: { is_byok: false, endpoints: { available: [{ selected: false }, { selected: true }] } },
      },
    });
  },
);

test.each([{ code: 401 }, { code: 429 }, { code: 500 }])(
  "always_use: after a $code nothing is served on the operator's account, nothing is charged",
  async ({ code }) => {
    const { generated, log, settled } = await run({
      grant: grantOf({ alwaysUse: true }),
      answers: { own: status(code) },
    });
    expect(log).toEqual(["ask own"]);
    expect(generated).toMatchObject({
      kind: "refused",
      error: { kind: "upstream", attempts: [{ isByok: true, failure: { status: code } }] },
    });
    expect(JSON.stringify(generated)).not.toContain("own.");
    expect(settled).toMatchObject([{ costNusd: 0n, upstreamCostNusd: 0n }]);
  },
);

test("a request that is wrong in itself is no mark on the credential", async () => {
  const { settled } = await run({ grant: grantOf({ alwaysUse: true }), answers: { own: status(400) } });
  expect(settled).toMatchObject([{ costNusd: 0n, record: { attempts: [{ isByok: true, status: 400 }] } }]);
  expect(settled[0]).not.toHaveProperty("byok");
});

test("a refused credential is tried after the shared one for a while", async () => {
  const { log } = await run({ grant: grantOf(), answers: { own: status(401) } }, 2);
  expect(log.filter((line) => line.startsWith("ask"))).toEqual(["ask own", "ask shared", "ask shared"]);
});

test("a provider that only the tenant has a credential for is found by a cold isolate", async () => {
  const { log, admitted } = await run({ grant: grantOf(), hasShared: false });
  expect(log).toEqual(["ask own"]);
  expect(admitted.map(({ byokToken }) => byokToken)).toEqual(["1.500"]);
});

test("without any credential it is still the old 404", async () => {
  const { generated, log } = await run({ grant: null, hasShared: false });
  expect(log).toEqual([]);
  expect(generated).toMatchObject({ kind: "refused", error: { kind: "no_endpoints" } });
});

test("within the allowance an account without credit is served by its own credential alone, and told so", async () => {
  const { generated, log, settled } = await run({ grant: grantOf({}, 0), balanceNusd: 0n });
  expect(log).toEqual(["ask own"]);
  expect(settled).toMatchObject([{ costNusd: 0n, record: { isByok: true } }]);
  expect(generated).toMatchObject({ headers: { "X-Waypost-Warning": expect.stringContaining("Only your own") } });
});

test("where credit does not cover the shared one's worst case, the own one serves uncut", async () => {
  const { generated, log } = await run({ grant: grantOf(), balanceNusd: 250_000n });
  expect(log).toEqual(["ask own"]);
  expect(generated).toMatchObject({ kind: "reply" });
  expect(generated).not.toHaveProperty("headers.X-Waypost-Max-Tokens");
});

test("where credit does not even cover the fee, it is a 402", async () => {
  const { generated, log } = await run({ grant: grantOf({ alwaysUse: true }), balanceNusd: 0n });
  expect(log).toEqual([]);
  expect(generated).toMatchObject({ kind: "refused", error: { kind: "insufficient_credit" } });
});

test("a list that changes under every plan ends in a conflict, and nothing was sent", async () => {
  let version = 0;
  const restless: World = {
    get grant() {
      version += 1;
      return { ...grantOf(), token: `${version}.500` };
    },
  };
  const { generated, log, admitted } = await run(restless);
  expect(log).toEqual([]);
  expect(admitted).toHaveLength(3);
  expect(generated).toMatchObject({ kind: "refused", error: { kind: "conflict" } });
});
