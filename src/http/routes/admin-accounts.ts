/**
 * The operator's accounts: POST and GET /admin/accounts, GET and PATCH /admin/accounts/{id}.
 * An account is made in D1 together with its first two keys, which are shown once and stored as hashes; its gate is not
 * touched before its first use. What is said of one account's money comes from its gate, which alone knows it.
 */
import type { Hono } from "hono";
import * as z from "zod";
import {
  ACCOUNTS_PER_PAGE_MAX,
  createAccount,
  listAccounts,
  readAccount,
  type Account,
  type InitialKey,
} from "../../accounts/accounts.ts";
import { issueKey, type IssuedKey } from "../../accounts/keys.ts";
import type { RouterError } from "../../core/error.ts";
import { asAccountId, newAccountId, placeOfAccount } from "../../core/ids.ts";
import type { JsonObject } from "../../core/json.ts";
import { formatUsd } from "../../core/money.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AccountView } from "../../gates/account-contract.ts";
import { cursorAfter, type ShardCursor } from "../../ledger/shards.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";
import {
  accountLimitsBody,
  AccountLimitsShape,
  budgetsField,
  limitFields,
  limitsOf,
  zeroRetentionField,
} from "../limits-shape.ts";
import { asked, stored } from "../stored.ts";
import { readStrict } from "../strict-body.ts";

const AccountName = z
  .string()
  .min(1)
  .max(100)
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), "must not hold control characters");
const NewAccount = z.strictObject({ name: AccountName, region: z.enum(["eu", "us"]).optional() });
const AccountChange = z.strictObject({
  suspended: z.boolean().optional(),
  name: AccountName.optional(),
  ...limitFields,
  budgets: budgetsField,
  zero_retention: zeroRetentionField,
});

const Region = z
  .enum(["eu", "us"])
  .nullable()
  .describe("Where its requests are routed, without exception; null: anywhere");
const AccountRow = z.object({ id: z.string(), name: z.string(), region: Region, created_at: z.string() });
const AccountBody = z.object({
  data: AccountRow.extend({
    suspended: z.boolean(),
    balance: z.string().describe("Decimal USD, like all amounts"),
    held: z.string().describe("Reserved by requests that run"),
    leased: z.string().describe("Lent to isolates, which admit requests from it; comes back within seconds when idle"),
    total_credits: z.string().describe("Credits net of debits"),
    total_usage: z.string(),
    free_used_today: z.int(),
    free_limit_per_day: z.int(),
    limits: AccountLimitsShape.describe("Set by the operator"),
    tenant_limits: AccountLimitsShape.describe("Set by the tenant; both hold"),
  }),
});

export const createAccountOperation: Operation = {
  id: "createAccount",
  method: "post",
  path: "/admin/accounts",
  summary: "Create an account with a management key and an inference key, shown once",
  auth: "operator",
  request: NewAccount,
  responses: {
    201: { description: "Made", body: z.object({ data: AccountRow, management_key: z.string(), key: z.string() }) },
  },
};

export const listAccountsOperation: Operation = {
  id: "listAccounts",
  method: "get",
  path: "/admin/accounts",
  summary: "List accounts by database and id, at most 200 a page",
  auth: "operator",
  query: z.object({ cursor: z.string().optional().describe("The cursor of the page before") }),
  responses: {
    200: {
      description: "A page",
      body: z.object({ data: z.array(AccountRow.extend({ suspended: z.boolean() })), cursor: z.string().nullable() }),
    },
  },
};

export const readAccountOperation: Operation = {
  id: "readAccount",
  method: "get",
  path: "/admin/accounts/{id}",
  summary: "Read an account with its balance",
  auth: "operator",
  responses: { 200: { description: "The account", body: AccountBody } },
};

export const updateAccountOperation: Operation = {
  id: "updateAccount",
  method: "patch",
  path: "/admin/accounts/{id}",
  summary: "Suspend, reinstate, rename or limit an account",
  auth: "operator",
  request: AccountChange,
  responses: { 200: { description: "The account as it is now", body: AccountBody } },
};

export function registerAdminAccounts(admin: Hono<AppEnv>): void {
  admin.post("/accounts", postAccount);
  admin.get("/accounts", getAccounts);
  admin.get("/accounts/:id", getAccount);
  admin.patch("/accounts/:id", patchAccount);
}

async function postAccount(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const receivedAtMs = context.get("receivedAtMs");
  const body = await readStrict(context.req.raw, NewAccount);
  if (!body.ok) return fail(context, body.error);
  const home = body.value.region ?? "gl";
  const id = newAccountId(home, deps.books.openShard(home), deps.randomBytes);
  const account: Account = { id, name: body.value.name, isSuspended: false, createdAtMs: receivedAtMs };
  const managementKey = await issueKey(id, deps.secrets, deps.randomBytes);
  const key = await issueKey(id, deps.secrets, deps.randomBytes);
  const made = await stored(
    createAccount(deps.books.of(id).db, account, [
      initialKey(managementKey, "management", "First management key", receivedAtMs),
      initialKey(key, "inference", "First key", receivedAtMs),
    ]),
  );
  if (!made.ok) return fail(context, made.error);
  context.get("wide").set({ account_id: id });
  return json({ data: rowOf(account), management_key: managementKey.text, key: key.text }, 201);
}

function initialKey(key: IssuedKey, kind: InitialKey["kind"], name: string, createdAtMs: number): InitialKey {
  return { hash: key.hash, kind, name, label: key.label, createdAtMs };
}

async function getAccounts(context: AppContext): Promise<Response> {
  const from = cursorOf(context);
  if (!from.ok) return fail(context, from.error);
  const { shard, afterId } = from.value;
  const page = await stored(listAccounts(shard.db, { afterId, limit: ACCOUNTS_PER_PAGE_MAX }));
  if (!page.ok) return fail(context, page.error);
  const isFull = page.value.length === ACCOUNTS_PER_PAGE_MAX;
  return json({
    data: page.value.map((account) => ({ ...rowOf(account), suspended: account.isSuspended })),
    cursor: cursorAfter(context.get("deps").books, shard, page.value.at(-1)?.id, isFull),
  });
}

async function getAccount(context: AppContext): Promise<Response> {
  const account = await accountOf(context);
  if (!account.ok) return fail(context, account.error);
  const gate = context.get("deps").accountGate(account.value.id);
  return answer(context, account.value, await asked(async () => await gate.view()));
}

async function patchAccount(context: AppContext): Promise<Response> {
  const body = await readStrict(context.req.raw, AccountChange);
  if (!body.ok) return fail(context, body.error);
  const { suspended, name, budgets, zero_retention: zeroRetention } = body.value;
  if (Object.keys(body.value).length === 0) {
    const message = "The body changes nothing: give suspended, name, limits or budgets.";
    return fail(context, { kind: "bad_request", message });
  }
  const account = await accountOf(context);
  if (!account.ok) return fail(context, account.error);
  const gate = context.get("deps").accountGate(account.value.id);
  // Each part is safe to repeat, so a failure between two is mended by sending the same body again. What can be refused
  // goes first: then nothing is changed.
  const limited = await asked(
    async () => await gate.limitAccount("operator", { limits: limitsOf(body.value), budgets, zeroRetention }),
  );
  if (!limited.ok) return fail(context, limited.error);
  const renamed = await asked(async () => (name === undefined ? await gate.view() : await gate.rename(name)));
  if (!renamed.ok || suspended === undefined) return answer(context, account.value, renamed);
  return answer(context, account.value, await asked(async () => await gate.suspend(suspended)));
}

function answer(context: AppContext, account: Account, view: Result<AccountView, RouterError>): Response {
  if (!view.ok) return fail(context, view.error);
  return json({ data: { ...rowOf({ ...account, name: view.value.name }), ...moneyOf(view.value) } });
}

/**
 * The account that the path names.
 * @returns `not_found`, `storage`.
 */
export async function accountOf(context: AppContext): Promise<Result<Account, RouterError>> {
  const text = context.req.param("id") ?? "";
  const unknown: RouterError = { kind: "not_found", message: "There is no account with this id" };
  if (placeOfAccount(text) === undefined) return err(unknown);
  const found = await stored(readAccount(context.get("deps").books.of(asAccountId(text)).db, asAccountId(text)));
  if (!found.ok) return found;
  if (found.value === undefined) return err(unknown);
  context.get("wide").set({ account_id: found.value.id });
  return ok(found.value);
}

/** Where the wanted page of accounts begins. */
export function cursorOf(context: AppContext): Result<ShardCursor, RouterError> {
  const text = context.req.query("cursor") ?? "";
  const from = context.get("deps").books.from(text === "" ? null : text);
  if (from !== undefined) return ok(from);
  return err({ kind: "bad_request", message: "cursor must be the cursor of the page before", path: "cursor" });
}

function rowOf(account: Account): JsonObject {
  const home = placeOfAccount(account.id)?.home ?? "gl";
  return {
    id: account.id,
    name: account.name,
    region: home === "gl" ? null : home,
    created_at: new Date(account.createdAtMs).toISOString(),
  };
}

function moneyOf(view: AccountView): JsonObject {
  return {
    suspended: view.suspended,
    balance: formatUsd(view.balanceNusd),
    held: formatUsd(view.heldNusd),
    leased: formatUsd(view.leasedNusd),
    total_credits: formatUsd(view.totalCreditsNusd),
    total_usage: formatUsd(view.totalUsageNusd),
    free_used_today: view.freeUsedToday,
    free_limit_per_day: view.freeLimitPerDay,
    limits: accountLimitsBody(view.limits.operator),
    tenant_limits: accountLimitsBody(view.limits.tenant),
  };
}
