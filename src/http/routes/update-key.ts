/** PATCH /keys/{hash}: changes what the body names, clears what it sets to null, and leaves the rest. */
import type { Hono } from "hono";
import * as z from "zod";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { expiryFault, expiryMs, keyBody, keyFields, KeyShape } from "../key-shape.ts";
import { limitsOf } from "../limits-shape.ts";
import { gateAnswer, identifyManager, ownKeyFault, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";
import { hashOfPath, keyPathParts } from "./read-key.ts";

const KeyChangeBody = z.strictObject({
  ...keyFields,
  name: keyFields.name.optional(),
  disabled: z.boolean().optional(),
});

export const updateKeyOperation: Operation = {
  id: "updateKey",
  method: "patch",
  path: "/keys/{hash}",
  pathParts: keyPathParts,
  summary: "Change a key",
  auth: "management",
  request: KeyChangeBody,
  responses: { 200: { description: "The key as it is now", body: z.object({ data: KeyShape }) } },
};

export function registerUpdateKey(app: Hono<AppEnv>): void {
  app.patch("/keys/:hash", updateKey);
}

async function updateKey(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const hash = hashOfPath(context);
  if (!hash.ok) return fail(context, hash.error);
  const body = await readStrict(context.req.raw, KeyChangeBody);
  if (!body.ok) return fail(context, body.error);
  const { name, disabled, limit, limit_reset: limitReset, expires_at: expiresAt } = body.value;
  const fault =
    expiryFault(expiresAt, context.get("deps").clock()) ??
    (disabled === true ? ownKeyFault(caller.value, hash.value, "disabled") : undefined);
  if (fault !== undefined) return fail(context, fault);
  const limits = limitsOf(body.value);
  const change = { name, disabled, limitNusd: limit, limitReset, limits, expiresAtMs: expiryMs(expiresAt) };
  const changed = await gateAnswer(caller.value.gate.updateKey(hash.value, change));
  if (!changed.ok) return fail(context, changed.error);
  return json({ data: keyBody(changed.value, caller.value.account.id) }, 200, PRIVATE);
}
