/** DELETE /keys/{hash}: ends a key at once. What it has already asked for is still answered and charged. */
import type { Hono } from "hono";
import * as z from "zod";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, ownKeyFault, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { hashOfPath, keyPathParts } from "./read-key.ts";

export const deleteKeyOperation: Operation = {
  id: "deleteKey",
  method: "delete",
  path: "/keys/{hash}",
  pathParts: keyPathParts,
  summary: "Delete a key",
  auth: "management",
  responses: { 200: { description: "It is gone", body: z.object({ deleted: z.literal(true) }) } },
};

export function registerDeleteKey(app: Hono<AppEnv>): void {
  app.delete("/keys/:hash", deleteKey);
}

async function deleteKey(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const hash = hashOfPath(context);
  if (!hash.ok) return fail(context, hash.error);
  const fault = ownKeyFault(caller.value, hash.value, "deleted");
  if (fault !== undefined) return fail(context, fault);
  const deleted = await gateAnswer(caller.value.gate.deleteKey(hash.value));
  return deleted.ok ? json({ deleted: true }, 200, PRIVATE) : fail(context, deleted.error);
}
