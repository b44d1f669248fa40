/** Accounts for worker tests: made in D1 as the operator's route makes them, with one inference and one management key. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createAccount } from "../../src/accounts/accounts.ts";
import { importKeySecrets, issueKey } from "../../src/accounts/keys.ts";
import { asGenerationId, newAccountId, type AccountId, type GenerationId, type KeyHash } from "../../src/core/ids.ts";
import { NANO_PER_USD, type NanoUsd } from "../../src/core/money.ts";
import { systemRandomBytes } from "../../src/core/system.ts";
import { NO_USAGE } from "../../src/core/usage.ts";
import type { AdmitRequest, Settlement } from "../../src/gates/account-contract.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import type { GenerationRecord } from "../../src/insight/generation.ts";

export const USD = NANO_PER_USD;

export interface TestAccount {
  readonly id: AccountId;
  readonly keyHash: KeyHash;
  readonly managementHash: KeyHash;
  readonly gate: DurableObjectStub<AccountGate>;
}

export function gateOf(id: AccountId): DurableObjectStub<AccountGate> {
  // wrangler's types don't know the class behind the binding.
  const namespace = env.ACCOUNT_GATE as unknown as DurableObjectNamespace<AccountGate>;
  return namespace.get(namespace.idFromName(id));
}

/** A new account; its gate is touched only when there is credit to give. */
export async function newAccount(creditNusd: NanoUsd = 0n): Promise<TestAccount> {
  const id = newAccountId("gl", 1, systemRandomBytes);
  const secrets = await importKeySecrets(env.WAYPOST_SECRET);
  const key = await issueKey(id, secrets, systemRandomBytes);
  const managementKey = await issueKey(id, secrets, systemRandomBytes);
  const createdAtMs = Date.now();
  await createAccount(env.DB, { id, name: "Test", isSuspended: false, createdAtMs }, [
    { hash: key.hash, kind: "inference", name: "first", label: key.label, createdAtMs },
    { hash: managementKey.hash, kind: "management", name: "first", label: managementKey.label, createdAtMs },
  ]);
  const account = { id, keyHash: key.hash, managementHash: managementKey.hash, gate: gateOf(id) };
  if (creditNusd !== 0n) {
    await account.gate.credit({ idempotencyKey: "start", amountNusd: creditNusd, reason: "test" });
  }
  return account;
}

let made = 0;

export function newGeneration(atMs = Date.now()): GenerationId {
  made += 1;
  return asGenerationId(`gen-${Math.floor(atMs / 1000)}-${String(made).padStart(20, "0")}`);
}

export function request(account: TestAccount, given: Partial<AdmitRequest> = {}): AdmitRequest {
  return {
    keyHash: account.keyHash,
    generationId: newGeneration(),
    isFree: false,
    wantedNusd: USD,
    minimumNusd: USD,
    footprint: { models: ["mistralai/mistral-small"], providers: ["mistral"], tokens: { wanted: 100, minimum: 10 } },
    ...given,
  };
}

export function settlement(
  account: TestAccount,
  generationId: GenerationId,
  costNusd: NanoUsd,
  given: Partial<Settlement> = {},
): Settlement {
  return {
    generationId,
    keyHash: account.keyHash,
    costNusd,
    upstreamCostNusd: (costNusd * 9n) / 10n,
    refundsFreeTier: false,
    record: record(account, generationId, costNusd),
    ...given,
  };
}

function record(account: TestAccount, id: GenerationId, costNusd: NanoUsd): GenerationRecord {
  return {
    id,
    requestId: `req-of-${id}`,
    keyHash: account.keyHash,
    createdAtMs: Date.now(),
    model: "mistralai/mistral-small",
    requestedModel: "mistralai/mistral-small",
    provider: "mistral",
    providerName: "Mistral",
    endpoint: "mistral",
    region: "eu",
    upstreamId: null,
    streamed: true,
    cancelled: false,
    estimated: false,
    cancellation: null,
    finishReason: "stop",
    nativeFinishReason: "stop",
    latencyMs: 100,
    generationTimeMs: 200,
    usage: { ...NO_USAGE, inputText: 10, outputText: 20 },
    costNusd: Number(costNusd),
    upstreamCostNusd: Number((costNusd * 9n) / 10n),
    isByok: false,
    isFree: false,
    attempts: [],
    httpReferer: null,
    appTitle: "Tést",
    origin: null,
    userAgent: null,
    externalUser: null,
    sessionId: null,
    dataRegion: "global",
    clientPlace: null,
    catalogVersion: null,
  };
}

/** Says the time aloud: the gate's clock stands at `atMs`. */
export async function setClock(account: TestAccount, atMs: number): Promise<void> {
  await runInDurableObject(account.gate, (gate: AccountGate) => {
    gate.clock = () => atMs;
  });
}

export type Fault = "before" | "after";

/** Lets the gate's next writes to D1 fail in that order: before D1 hears of them, or after it has committed. */
export async function failWrites(account: TestAccount, faults: Fault[]): Promise<void> {
  await runInDurableObject(account.gate, (gate: AccountGate) => {
    const db = env.DB;
    let writes = false;
    const faulty: Pick<D1Database, "prepare" | "batch"> = {
      prepare: (query) => {
        writes = query.startsWith("INSERT");
        return db.prepare(query);
      },
      batch: async (statements) => {
        // Statements are prepared just before their batch, with nothing in between.
        const fault = writes ? faults.shift() : undefined;
        if (fault === "before") throw new Error("D1 can't be reached");
        const results = await db.batch<never>(statements);
        if (fault === "after") throw new Error("the answer was lost");
        return results;
      },
    };
    // The gate uses nothing else of D1.
    gate.books = faulty as D1Database;
  });
}
