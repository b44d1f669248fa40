/** GET /key, and its old name GET /auth/key: the key that asks, its limit and its usage. */
import type { Hono } from "hono";
import * as z from "zod";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { OwnKeyShape, sharedBody } from "../key-shape.ts";
import { identify, PRIVATE, type Identified } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";

const operation: Operation = {
  id: "readOwnKey",
  method: "get",
  path: "/key",
  summary: "Read the key that asks",
  auth: "any",
  responses: { 200: { description: "The key's limit and usage", body: z.object({ data: OwnKeyShape }) } },
};

export const readOwnKeyOperations: readonly Operation[] = [
  operation,
  { ...operation, id: "readOwnKeyByOldName", path: "/auth/key", summary: "The old name of GET /key" },
];

export function registerReadOwnKey(app: Hono<AppEnv>): void {
  app.get("/key", readOwnKey);
  app.get("/auth/key", readOwnKey);
}

async function readOwnKey(context: AppContext): Promise<Response> {
  const caller = await identify(context);
  if (!caller.ok) return fail(context, caller.error);
  return json({ data: ownKeyBody(caller.value) }, 200, PRIVATE);
}

/** An account with a home outside `gl` is pinned there; others choose with each request. */
const DATA_REGIONS = { gl: ["global", "europe", "us"], eu: ["europe"], us: ["us"] } as const;

function ownKeyBody({ key, account }: Identified): OwnKeyShape {
  const { freeLimitPerDay: limit, freeUsedToday: used } = account;
  return {
    ...sharedBody(key),
    is_free_tier: account.totalCreditsNusd <= 0n,
    is_provisioning_key: key.kind === "management",
    workspace_id: account.id,
    organization_id: null,
    allowed_data_regions: [...DATA_REGIONS[account.home]],
    rate_limit: { requests: -1, interval: "10s", note: "This field is deprecated and safe to ignore." },
    free_model_daily_requests: { limit, used, remaining: Math.max(0, limit - used) },
  };
}
