/** GET /credits: what the account has bought and used. Ordinary keys may ask too, as clients of the API expect. */
import type { Hono } from "hono";
import * as z from "zod";
import { usdNumber } from "../../core/money.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { identify, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";

const CreditsBody = z.object({
  data: z.object({
    total_credits: z.number().describe("USD bought or granted, less what was taken back"),
    total_usage: z.number().describe("USD charged"),
  }),
});

export const readCreditsOperation: Operation = {
  id: "readCredits",
  method: "get",
  path: "/credits",
  summary: "Read the account's credits",
  auth: "any",
  responses: { 200: { description: "Credits and usage of the account", body: CreditsBody } },
};

export function registerReadCredits(app: Hono<AppEnv>): void {
  app.get("/credits", readCredits);
}

async function readCredits(context: AppContext): Promise<Response> {
  const caller = await identify(context);
  if (!caller.ok) return fail(context, caller.error);
  const { totalCreditsNusd, totalUsageNusd } = caller.value.account;
  const body: z.infer<typeof CreditsBody> = {
    data: { total_credits: usdNumber(totalCreditsNusd), total_usage: usdNumber(totalUsageNusd) },
  };
  return json(body, 200, PRIVATE);
}
