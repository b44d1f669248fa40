/** POST /keys: a new inference key. Its text is in this answer and nowhere else; only its hash is kept. */
import type { Hono } from "hono";
import * as z from "zod";
import { issueKey } from "../../accounts/keys.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { expiryFault, expiryMs, IssuedKeyShape, keyBody, keyFields } from "../key-shape.ts";
import { limitsOf } from "../limits-shape.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";

const NewKeyBody = z.strictObject(keyFields);

export const createKeyOperation: Operation = {
  id: "createKey",
  method: "post",
  path: "/keys",
  summary: "Create a key",
  auth: "management",
  request: NewKeyBody,
  responses: { 201: { description: "The key", body: IssuedKeyShape } },
};

export function registerCreateKey(app: Hono<AppEnv>): void {
  app.post("/keys", createKey);
}

async function createKey(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const body = await readStrict(context.req.raw, NewKeyBody);
  if (!body.ok) return fail(context, body.error);
  const { name, limit, limit_reset: limitReset, expires_at: expiresAt } = body.value;
  const fault = expiryFault(expiresAt, deps.clock());
  if (fault !== undefined) return fail(context, fault);
  const { account, gate } = caller.value;
  const issued = await issueKey(account.id, deps.secrets, deps.randomBytes);
  const made = await gateAnswer(
    gate.createKey({
      hash: issued.hash,
      kind: "inference",
      name,
      label: issued.label,
      limitNusd: limit ?? null,
      limitReset: limitReset ?? null,
      limits: limitsOf(body.value),
      expiresAtMs: expiryMs(expiresAt) ?? null,
    }),
  );
  if (!made.ok) return fail(context, made.error);
  const answer: z.infer<typeof IssuedKeyShape> = { data: keyBody(made.value, account.id), key: issued.text };
  return json(answer, 201, PRIVATE);
}
