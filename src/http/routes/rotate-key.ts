/**
 * POST /keys/{hash}/rotate: a successor with the same name, kind, limit and usage count; the old key goes on for
 * `overlap_s` seconds, so that nothing has to stop while the new one is being rolled out.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { issueKey } from "../../accounts/keys.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { IssuedKeyShape, keyBody } from "../key-shape.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";
import { hashOfPath, keyPathParts } from "./read-key.ts";

/** 30 days. */
const OVERLAP_S_MAX = 2_592_000;

const RotateBody = z.strictObject({
  overlap_s: z.int().min(0).max(OVERLAP_S_MAX).describe("Seconds for which the old key goes on; 0 ends it at once"),
});

export const rotateKeyOperation: Operation = {
  id: "rotateKey",
  method: "post",
  path: "/keys/{hash}/rotate",
  pathParts: keyPathParts,
  summary: "Replace a key by a new one",
  auth: "management",
  request: RotateBody,
  responses: { 201: { description: "The new key", body: IssuedKeyShape } },
};

export function registerRotateKey(app: Hono<AppEnv>): void {
  app.post("/keys/:hash/rotate", rotateKey);
}

async function rotateKey(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const hash = hashOfPath(context);
  if (!hash.ok) return fail(context, hash.error);
  const body = await readStrict(context.req.raw, RotateBody);
  if (!body.ok) return fail(context, body.error);
  const { account, gate } = caller.value;
  const issued = await issueKey(account.id, deps.secrets, deps.randomBytes);
  const next = { hash: issued.hash, label: issued.label };
  const rotated = await gateAnswer(gate.rotateKey(hash.value, next, body.value.overlap_s));
  if (!rotated.ok) return fail(context, rotated.error);
  const answer: z.infer<typeof IssuedKeyShape> = { data: keyBody(rotated.value, account.id), key: issued.text };
  return json(answer, 201, PRIVATE);
}
