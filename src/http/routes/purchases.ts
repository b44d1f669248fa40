/** GET /credits/purchases and /credits/purchases/{id}: what the account has bought, with receipts. Newest first. */
import type { Hono } from "hono";
import * as z from "zod";
import { paymentsAt } from "../../gates/account-payments-client.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identifyManager, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { purchaseBody, PurchaseShape } from "../purchase-shape.ts";

const PAGE = 100;

const PurchasesBody = z.object({ data: z.array(PurchaseShape), cursor: z.string().nullable() });
const PurchaseBody = z.object({ data: PurchaseShape });

export const purchaseOperations: readonly Operation[] = [
  {
    id: "listPurchases",
    method: "get",
    path: "/credits/purchases",
    summary: "List purchases of credit, newest first, 100 a page",
    auth: "management",
    query: z.object({ cursor: z.string().optional().describe("The cursor of the page before") }),
    responses: { 200: { description: "A page", body: PurchasesBody } },
  },
  {
    id: "readPurchase",
    method: "get",
    path: "/credits/purchases/{id}",
    summary: "Read a purchase of credit",
    auth: "management",
    responses: { 200: { description: "The purchase", body: PurchaseBody } },
  },
];

export function registerPurchases(app: Hono<AppEnv>): void {
  app.get("/credits/purchases", listPurchases);
  app.get("/credits/purchases/:id", readPurchase);
}

async function listPurchases(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const beforeId = context.req.query("cursor") ?? null;
  const page = await gateAnswer(paymentsAt(caller.value.gate).listPurchases({ beforeId, limit: PAGE }));
  if (!page.ok) return fail(context, page.error);
  const answer: z.infer<typeof PurchasesBody> = {
    data: page.value.map(purchaseBody),
    cursor: page.value.length === PAGE ? (page.value.at(-1)?.id ?? null) : null,
  };
  return json(answer, 200, PRIVATE);
}

async function readPurchase(context: AppContext): Promise<Response> {
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const purchase = await gateAnswer(paymentsAt(caller.value.gate).readPurchase(context.req.param("id") ?? ""));
  if (!purchase.ok) return fail(context, purchase.error);
  const answer: z.infer<typeof PurchaseBody> = { data: purchaseBody(purchase.value) };
  return json(answer, 200, PRIVATE);
}
