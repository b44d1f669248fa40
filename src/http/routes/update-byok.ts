/** PATCH /byok/{id}: changes what the body names, clears what it sets to null; `key` replaces the secret in place. */
import type { Hono } from "hono";
import * as z from "zod";
import { byokFields, keyFilter, modelFilter, OneByokBody, sealedByok } from "../byok-shape.ts";
import { fail, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";
import { byokIdOf, byokPathParts, oneByok } from "./read-byok.ts";

const ByokChangeBody = z.strictObject({ ...byokFields, key: byokFields.key.optional() });

export const updateByokOperation: Operation = {
  id: "updateByok",
  method: "patch",
  path: "/byok/{id}",
  pathParts: byokPathParts,
  summary: "Change an own provider credential, or replace its secret",
  auth: "management",
  request: ByokChangeBody,
  responses: { 200: { description: "The credential as it is now, without its secret", body: OneByokBody } },
};

export function registerUpdateByok(app: Hono<AppEnv>): void {
  app.patch("/byok/:id", updateByok);
}

async function updateByok(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const body = await readStrict(context.req.raw, ByokChangeBody);
  if (!body.ok) return fail(context, body.error);
  const { key, ...wanted } = body.value;
  const { gate, account } = caller.value;
  const id = byokIdOf(context);
  // The secret is sealed for its provider, which only the gate knows.
  const known = await gateAnswer(gate.byok({ kind: "read", id }));
  if (!known.ok) return fail(context, known.error);
  const [before] = known.value;
  const models = await modelFilter(wanted.allowed_models, deps);
  if (!models.ok) return fail(context, models.error);
  const change = {
    secret:
      key === undefined || before === undefined ? undefined : await sealedByok(key, account.id, before.provider, deps),
    name: wanted.name,
    disabled: wanted.disabled,
    isFallback: wanted.is_fallback,
    alwaysUse: wanted.always_use,
    sortOrder: wanted.sort_order,
    allowedModels: models.value,
    allowedKeyHashes: keyFilter(wanted.allowed_api_key_hashes),
  };
  return await oneByok(context, gate, { kind: "update", id, change }, 200);
}
