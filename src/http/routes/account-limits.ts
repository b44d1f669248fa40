/**
 * GET and PATCH /workspaces/{id}/limits: what a tenant lets its whole account do, beside what the operator lets it do.
 * Both hold; the tenant can't lift the operator's. Budgets have routes of their own (budgets.ts).
 */
import type { Hono } from "hono";
import * as z from "zod";
import type { AccountView } from "../../gates/account-contract.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import {
  accountLimitsBody,
  AccountLimitsShape,
  limitFields,
  limitsBody,
  LimitsShape,
  limitsOf,
  zeroRetentionField,
} from "../limits-shape.ts";
import { gateAnswer, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";
import { managerOf } from "./budgets.ts";

const LimitsBody = z.strictObject({ ...limitFields, zero_retention: zeroRetentionField });
const Answer = z.object({
  data: LimitsShape.extend({
    zero_retention: z.boolean(),
    operator: AccountLimitsShape.describe("Set by the operator; holds as well"),
  }),
});

const pathParts = { id: "The account's id, or `default`" };

export const accountLimitsOperations: readonly Operation[] = [
  {
    id: "readWorkspaceLimits",
    method: "get",
    path: "/workspaces/{id}/limits",
    pathParts,
    summary: "Read the account's limits",
    auth: "management",
    responses: { 200: { description: "The limits", body: Answer } },
  },
  {
    id: "updateWorkspaceLimits",
    method: "patch",
    path: "/workspaces/{id}/limits",
    pathParts,
    summary: "Change the account's limits",
    auth: "management",
    request: LimitsBody,
    responses: { 200: { description: "The limits as they are now", body: Answer } },
  },
];

export function registerAccountLimits(app: Hono<AppEnv>): void {
  app.get("/workspaces/:id/limits", readLimits);
  app.patch("/workspaces/:id/limits", updateLimits);
}

async function readLimits(context: AppContext): Promise<Response> {
  const caller = await managerOf(context);
  return caller.ok ? json(bodyOf(caller.value.account), 200, PRIVATE) : fail(context, caller.error);
}

async function updateLimits(context: AppContext): Promise<Response> {
  const caller = await managerOf(context);
  if (!caller.ok) return fail(context, caller.error);
  const body = await readStrict(context.req.raw, LimitsBody);
  if (!body.ok) return fail(context, body.error);
  const change = { limits: limitsOf(body.value), zeroRetention: body.value.zero_retention };
  const changed = await gateAnswer(caller.value.gate.limitAccount("tenant", change));
  return changed.ok ? json(bodyOf(changed.value), 200, PRIVATE) : fail(context, changed.error);
}

function bodyOf({ limits }: AccountView): z.infer<typeof Answer> {
  return {
    data: {
      ...limitsBody(limits.tenant.limits),
      zero_retention: limits.tenant.zeroRetention,
      operator: accountLimitsBody(limits.operator),
    },
  };
}
