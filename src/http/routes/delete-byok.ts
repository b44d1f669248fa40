/** DELETE /byok/{id}: wipes a provider credential. No request uses it 10 s later. */
import type { Hono } from "hono";
import * as z from "zod";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { byokIdOf, byokPathParts } from "./read-byok.ts";

export const deleteByokOperation: Operation = {
  id: "deleteByok",
  method: "delete",
  path: "/byok/{id}",
  pathParts: byokPathParts,
  summary: "Delete an own provider credential",
  auth: "management",
  responses: { 200: { description: "It is gone", body: z.object({ deleted: z.literal(true) }) } },
};

export function registerDeleteByok(app: Hono<AppEnv>): void {
  app.delete("/byok/:id", deleteByok);
}

async function deleteByok(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const deleted = await gateAnswer(caller.value.gate.byok({ kind: "delete", id: byokIdOf(context) }));
  return deleted.ok ? json({ deleted: true }, 200, PRIVATE) : fail(context, deleted.error);
}
