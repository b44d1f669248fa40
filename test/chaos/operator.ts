/** What the soak does as the operator of the server: accounts, credits, prices as published, the audit. */
import * as z from "zod";
import { formatUsd, parseUsd } from "../../src/core/money.ts";
import type { Server } from "../e2e/serve.ts";
import { leaving, type SoakAccount } from "./client.ts";
import type { PublishedPrice } from "./judge.ts";
import { picosOf } from "./judge.ts";
import { MODELS } from "./plan.ts";
import { CATALOG } from "./world.ts";

const CALL_MS_MAX = 30_000;

/** Calls the API with the operator's key. Rejects when the server cannot be reached or says no. */
async function operate(server: Server, method: string, path: string, body?: unknown): Promise<unknown> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), CALL_MS_MAX);
  const send = async (): Promise<unknown> => {
    const answer = await fetch(`${server.apiBase}${path}`, {
      method,
      headers: { authorization: `Bearer ${server.operatorKey}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: late.signal,
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered with ${answer.status}: ${text}`);
    return JSON.parse(text);
  };
  try {
    return await Promise.race([send(), leaving(late.signal)]);
  } finally {
    clearTimeout(timer);
  }
}

export async function publishCatalog(server: Server): Promise<void> {
  await operate(server, "PUT", "/admin/catalog", CATALOG);
}

const Made = z.looseObject({ data: z.looseObject({ id: z.string() }), key: z.string() });

export async function makeAccount(server: Server, name: string, isPoor: boolean): Promise<SoakAccount> {
  const { data, key } = Made.parse(await operate(server, "POST", "/admin/accounts", { name }));
  return { id: data.id, key, isPoor };
}

/** Gives credit; repeating it with the same `cause` gives it once. */
export async function credit(server: Server, account: string, amountNusd: bigint, cause: string): Promise<void> {
  await operate(server, "POST", `/admin/accounts/${account}/credits`, {
    amount: formatUsd(amountNusd),
    idempotency_key: cause,
    reason: "credit of a soak",
  });
}

const View = z.looseObject({ data: z.looseObject({ balance: z.string(), held: z.string() }) });

export async function balanceNusd(server: Server, account: string): Promise<bigint> {
  const { data } = View.parse(await operate(server, "GET", `/admin/accounts/${account}`));
  const balance = parseUsd(data.balance);
  if (!balance.ok) throw new Error(`No balance: ${data.balance}`);
  return balance.value;
}

const AuditPage = z.looseObject({
  ok: z.boolean(),
  open_holds: z.int(),
  open_leases: z.int(),
  outbox: z.int(),
  checks: z.array(z.looseObject({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  cursor: z.null(),
});
export type Audit = z.infer<typeof AuditPage>;

/** The whole audit; the soak's accounts fit one page. */
export async function audit(server: Server): Promise<Audit> {
  return AuditPage.parse(await operate(server, "GET", "/admin/audit"));
}

const Endpoints = z.looseObject({
  data: z.looseObject({
    endpoints: z.array(
      z.looseObject({
        tag: z.string(),
        pricing: z.looseObject({
          prompt: z.string(),
          completion: z.string(),
          request: z.string().optional(),
          input_cache_read: z.string().optional(),
          internal_reasoning: z.string().optional(),
        }),
      }),
    ),
  }),
});

/** What the catalog publishes, by `model endpoint`. What has no price of its own costs what it is a kind of. */
export async function publishedPrices(server: Server): Promise<ReadonlyMap<string, PublishedPrice>> {
  const prices = new Map<string, PublishedPrice>();
  for (const model of MODELS) {
    const { data } = Endpoints.parse(await operate(server, "GET", `/models/${model}/endpoints`));
    for (const { tag, pricing } of data.endpoints) {
      const prompt = picosOf(pricing.prompt);
      const completion = picosOf(pricing.completion);
      prices.set(`${model} ${tag}`, {
        prompt,
        completion,
        request: picosOf(pricing.request ?? "0"),
        cacheRead: pricing.input_cache_read === undefined ? prompt : picosOf(pricing.input_cache_read),
        reasoning: pricing.internal_reasoning === undefined ? completion : picosOf(pricing.internal_reasoning),
      });
    }
  }
  return prices;
}
