/** An account of its own for a test, made through the operator's API as an operator makes one. */
import * as z from "zod";
import type { Server } from "./serve.ts";

const Made = z.looseObject({ data: z.looseObject({ id: z.string() }), key: z.string(), management_key: z.string() });

export interface Tenant {
  readonly account: string;
  readonly key: string;
  readonly managementKey: string;
}

/** Makes an account and grants it credits; rejects with the answer when the server refuses. */
export async function makeTenant(server: Pick<Server, "apiBase" | "operatorKey">, creditsUsd: string): Promise<Tenant> {
  const {
    data,
    key,
    management_key: managementKey,
  } = Made.parse(await operate(server, "/admin/accounts", { name: "tenant of a test" }));
  await operate(server, `/admin/accounts/${data.id}/credits`, {
    amount: creditsUsd,
    idempotency_key: `grant-${data.id}`,
    reason: "credits for a test",
  });
  return { account: data.id, key, managementKey };
}

async function operate(server: Pick<Server, "apiBase" | "operatorKey">, path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(`${server.apiBase}${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.operatorKey}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path} answered with ${answer.status}: ${text}`);
  return JSON.parse(text);
}
