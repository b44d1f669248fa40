/** GET /keys/{hash}: one key of the caller's account. */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { asKeyHash, type KeyHash } from "../../core/ids.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { keyBody, KeyShape } from "../key-shape.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";

export const keyPathParts = { hash: "The key's SHA-256, in lower-case hexadecimal" };

export const readKeyOperation: Operation = {
  id: "readKey",
  method: "get",
  path: "/keys/{hash}",
  pathParts: keyPathParts,
  summary: "Read a key",
  auth: "management",
  responses: { 200: { description: "The key", body: z.object({ data: KeyShape }) } },
};

export function registerReadKey(app: Hono<AppEnv>): void {
  app.get("/keys/:hash", readKey);
}

async function readKey(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const hash = hashOfPath(context);
  if (!hash.ok) return fail(context, hash.error);
  const key = await gateAnswer(caller.value.gate.readKey(hash.value));
  if (!key.ok) return fail(context, key.error);
  return json({ data: keyBody(key.value, caller.value.account.id) }, 200, PRIVATE);
}

/** The hash that the path names; the caller's own gate decides whether it has such a key. @returns `not_found`. */
export function hashOfPath(context: AppContext): Result<KeyHash, RouterError> {
  const text = context.req.param("hash") ?? "";
  if (/^[0-9a-f]{64}$/.test(text)) return ok(asKeyHash(text));
  return err({ kind: "not_found", message: "There is no API key with that hash." });
}
