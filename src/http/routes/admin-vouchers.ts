/** The operator's vouchers: POST and GET /admin/vouchers. A code is shown once, in the answer that makes it. */
import type { Hono } from "hono";
import * as z from "zod";
import { hashVoucherCode, newVoucherCode, voucherLabel } from "../../accounts/voucher-code.ts";
import { newVoucherId } from "../../core/ids.ts";
import { formatUsd, parseUsd } from "../../core/money.ts";
import type { VoucherView } from "../../gates/voucher-contract.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { expiryFault, expiryMs } from "../key-shape.ts";
import type { Operation } from "../operation.ts";
import { asked, stored } from "../stored.ts";
import { readStrict } from "../strict-body.ts";

const PAGE = 200;
const REDEMPTIONS_MAX = 100_000;

const NewVoucher = z.strictObject({
  amount: z.string().describe('Decimal USD such as "12.50"'),
  code: z
    .string()
    .regex(/^[A-Za-z0-9-]{8,64}$/, "must be 8 to 64 letters, digits and hyphens")
    .optional()
    .describe("Made when it is not given, which is safer"),
  max_redemptions: z.int().min(1).max(REDEMPTIONS_MAX).optional().describe("Accounts, each once. Default: 1"),
  expires_at: z.iso
    .datetime({ offset: true, error: "must be a time such as 2027-12-31T23:59:59Z" })
    .nullable()
    .optional(),
  note: z.string().max(200).optional(),
});

const VoucherShape = z.object({
  id: z.string(),
  label: z.string().describe("The code's beginning"),
  amount: z.string(),
  max_redemptions: z.int(),
  redemptions: z.int(),
  expires_at: z.string().nullable(),
  created_at: z.string(),
  note: z.string(),
});

export const voucherOperations: readonly Operation[] = [
  {
    id: "createVoucher",
    method: "post",
    path: "/admin/vouchers",
    summary: "Make a voucher, whose code is shown once",
    auth: "operator",
    request: NewVoucher,
    responses: { 201: { description: "Made", body: z.object({ data: VoucherShape, code: z.string() }) } },
  },
  {
    id: "listVouchers",
    method: "get",
    path: "/admin/vouchers",
    summary: "List vouchers, newest first, 200 a page",
    auth: "operator",
    query: z.object({ cursor: z.string().optional().describe("The cursor of the page before") }),
    responses: {
      200: {
        description: "A page",
        body: z.object({ data: z.array(VoucherShape), cursor: z.string().nullable() }),
      },
    },
  },
];

export function registerAdminVouchers(admin: Hono<AppEnv>): void {
  admin.post("/vouchers", createVoucher);
  admin.get("/vouchers", listVouchers);
}

async function createVoucher(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const body = await readStrict(context.req.raw, NewVoucher);
  if (!body.ok) return fail(context, body.error);
  const { amount, max_redemptions: redemptionsMax = 1, expires_at: expiresAt, note = "" } = body.value;
  const parsed = parseUsd(amount);
  if (!parsed.ok || parsed.value <= 0n) {
    const fault = parsed.ok ? "must be more than zero" : parsed.error;
    return fail(context, { kind: "bad_request", message: `amount ${fault}`, path: "amount" });
  }
  const fault = expiryFault(expiresAt, deps.clock());
  if (fault !== undefined) return fail(context, fault);
  const code = body.value.code?.toUpperCase() ?? newVoucherCode(deps.randomBytes);
  const voucher = {
    id: newVoucherId(deps.clock(), deps.randomBytes),
    codeHash: await hashVoucherCode(code),
    label: voucherLabel(code),
    amountNusd: parsed.value,
    redemptionsMax,
    expiresAtMs: expiryMs(expiresAt) ?? null,
    note,
  };
  const made = await asked(async () => await deps.voucherGate().create(voucher));
  return made.ok ? json({ data: shapeOf(made.value), code }, 201) : fail(context, made.error);
}

async function listVouchers(context: AppContext): Promise<Response> {
  const cursor = context.req.query("cursor") ?? null;
  const page = await stored(
    context
      .get("deps")
      .voucherGate()
      .list(cursor === "" ? null : cursor, PAGE),
  );
  if (!page.ok) return fail(context, page.error);
  const isFull = page.value.length === PAGE;
  return json({ data: page.value.map(shapeOf), cursor: isFull ? (page.value.at(-1)?.id ?? null) : null });
}

function shapeOf(view: VoucherView): z.infer<typeof VoucherShape> {
  return {
    id: view.id,
    label: view.label,
    amount: formatUsd(view.amountNusd),
    max_redemptions: view.redemptionsMax,
    redemptions: view.redemptions,
    expires_at: view.expiresAtMs === null ? null : new Date(view.expiresAtMs).toISOString(),
    created_at: new Date(view.createdAtMs).toISOString(),
    note: view.note,
  };
}
