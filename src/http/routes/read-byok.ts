/** GET /byok/{id}: one provider credential of the caller's account, without its secret. */
import type { Hono } from "hono";
import { asByokId, type ByokId } from "../../core/ids.ts";
import { assert } from "../../core/result.ts";
import type { AccountByokRpc, ByokCommand } from "../../gates/account-byok-contract.ts";
import { byokBody, OneByokBody } from "../byok-shape.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";

export const byokPathParts = { id: "The credential's id" };

export const readByokOperation: Operation = {
  id: "readByok",
  method: "get",
  path: "/byok/{id}",
  pathParts: byokPathParts,
  summary: "Read an own provider credential",
  auth: "management",
  responses: { 200: { description: "The credential, without its secret", body: OneByokBody } },
};

export function registerReadByok(app: Hono<AppEnv>): void {
  app.get("/byok/:id", readByok);
}

async function readByok(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  return await oneByok(context, caller.value.gate, { kind: "read", id: byokIdOf(context) }, 200);
}

/** The id that the path names; the caller's own gate decides whether it has such a credential. */
export function byokIdOf(context: AppContext): ByokId {
  return asByokId(context.req.param("id") ?? "");
}

/** Runs a command whose answer is one credential. */
export async function oneByok(
  context: AppContext,
  gate: AccountByokRpc,
  command: Exclude<ByokCommand, { readonly kind: "list" | "delete" }>,
  status: 200 | 201,
): Promise<Response> {
  const answer = await gateAnswer(gate.byok(command));
  if (!answer.ok) return fail(context, answer.error);
  const [view] = answer.value;
  assert(view !== undefined, "a command about one credential answers it");
  return json({ data: byokBody(view) }, status, PRIVATE);
}
