/**
 * The budgets that a tenant sets for its own account: GET /workspaces/{id}/budgets, PUT and DELETE
 * /workspaces/{id}/budgets/{interval}. An account is one workspace; its id, or `default`, names it. The operator's budgets
 * are not touched by these: both hold.
 */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AccountView } from "../../gates/account-contract.ts";
import { BUDGET_INTERVALS, type BudgetInterval } from "../../limits/budget.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { budgetBodies, BudgetShape, UsdLimit } from "../limits-shape.ts";
import { gateAnswer, identifyManager, PRIVATE, type Identified } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";

const BudgetBody = z.strictObject({
  limit_usd: UsdLimit.describe("USD, greater than 0"),
  include_byok_in_budgets: z.literal(false).optional().describe("Own provider keys are never part of a budget"),
});

const workspacePart = "The account's id, or `default`";
const pathParts = { id: workspacePart };
const intervalParts = { id: workspacePart, interval: "daily, weekly, monthly or lifetime" };

export const budgetOperations: readonly Operation[] = [
  {
    id: "listWorkspaceBudgets",
    method: "get",
    path: "/workspaces/{id}/budgets",
    pathParts,
    summary: "List the account's budgets",
    auth: "management",
    responses: {
      200: {
        description: "The budgets",
        body: z.object({ data: z.array(BudgetShape), include_byok_in_budgets: z.boolean() }),
      },
    },
  },
  {
    id: "upsertWorkspaceBudget",
    method: "put",
    path: "/workspaces/{id}/budgets/{interval}",
    pathParts: intervalParts,
    summary: "Set the account's budget for an interval",
    auth: "management",
    request: BudgetBody,
    responses: {
      200: { description: "The budget", body: z.object({ data: BudgetShape, include_byok_in_budgets: z.boolean() }) },
    },
  },
  {
    id: "deleteWorkspaceBudget",
    method: "delete",
    path: "/workspaces/{id}/budgets/{interval}",
    pathParts: intervalParts,
    summary: "Remove the account's budget for an interval",
    auth: "management",
    responses: { 200: { description: "There is none now", body: z.object({ deleted: z.literal(true) }) } },
  },
];

export function registerBudgets(app: Hono<AppEnv>): void {
  app.get("/workspaces/:id/budgets", listBudgets);
  app.put("/workspaces/:id/budgets/:interval", putBudget);
  app.delete("/workspaces/:id/budgets/:interval", deleteBudget);
}

async function listBudgets(context: AppContext): Promise<Response> {
  const caller = await managerOf(context);
  if (!caller.ok) return fail(context, caller.error);
  return json({ data: budgetBodies(caller.value.account), include_byok_in_budgets: false }, 200, PRIVATE);
}

async function putBudget(context: AppContext): Promise<Response> {
  const caller = await managerOf(context);
  if (!caller.ok) return fail(context, caller.error);
  const interval = intervalOf(context);
  if (!interval.ok) return fail(context, interval.error);
  const body = await readStrict(context.req.raw, BudgetBody);
  if (!body.ok) return fail(context, body.error);
  const changed = await setBudget(caller.value, interval.value, body.value.limit_usd);
  if (!changed.ok) return fail(context, atLimit(changed.error));
  const named = interval.value === "lifetime" ? null : interval.value;
  const data = budgetBodies(changed.value).find((budget) => budget.reset_interval === named);
  return json({ data, include_byok_in_budgets: false }, 200, PRIVATE);
}

async function deleteBudget(context: AppContext): Promise<Response> {
  const caller = await managerOf(context);
  if (!caller.ok) return fail(context, caller.error);
  const interval = intervalOf(context);
  if (!interval.ok) return fail(context, interval.error);
  const changed = await setBudget(caller.value, interval.value, null);
  return changed.ok ? json({ deleted: true }, 200, PRIVATE) : fail(context, changed.error);
}

async function setBudget(
  caller: Identified,
  interval: BudgetInterval,
  limitNusd: bigint | null,
): Promise<Result<AccountView, RouterError>> {
  return await gateAnswer(caller.gate.limitAccount("tenant", { budgets: { [interval]: limitNusd } }));
}

/** The fault, told at the field of this body. */
function atLimit(error: RouterError): RouterError {
  return error.kind === "bad_request" ? { ...error, path: "limit_usd" } : error;
}

/** A management key of the account that the path names. @returns `not_found` for another account's id. */
export async function managerOf(context: AppContext): Promise<Result<Identified, RouterError>> {
  const caller = await identifyManager(context);
  if (!caller.ok) return caller;
  const id = context.req.param("id");
  if (id === "default" || id === caller.value.account.id) return caller;
  return err({ kind: "not_found", message: "There is no workspace with this id" });
}

function intervalOf(context: AppContext): Result<BudgetInterval, RouterError> {
  const text = context.req.param("interval");
  const found = BUDGET_INTERVALS.find((interval) => interval === text);
  if (found !== undefined) return ok(found);
  return err({
    kind: "bad_request",
    message: `interval must be one of ${BUDGET_INTERVALS.join(", ")}`,
    path: "interval",
  });
}
