/** GET /models/count: how many models there are. */
import type { Hono } from "hono";
import * as z from "zod";
import { countModels, parseModelQuery } from "../../catalog/listing-query.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { listedModels } from "../listed-models.ts";
import type { Operation } from "../operation.ts";
import { LISTING_CACHE_CONTROL } from "./list-models.ts";

const CountBody = z.object({ data: z.object({ count: z.int() }) });

export const countModelsOperation: Operation = {
  id: "countModels",
  method: "get",
  path: "/models/count",
  summary: "Count the models",
  auth: "public",
  query: z.object({
    output_modalities: z
      .string()
      .optional()
      .describe("Names with commas between, any of them, or all; text when absent"),
  }),
  responses: { 200: { description: "The number of models", body: CountBody } },
};

export function registerCountModels(app: Hono<AppEnv>): void {
  app.get("/models/count", modelCount);
}

async function modelCount(context: AppContext): Promise<Response> {
  const wanted = new URL(context.req.url).searchParams.getAll("output_modalities");
  const parsed = parseModelQuery(new URLSearchParams(wanted.map((value) => ["output_modalities", value])));
  if (!parsed.ok) return fail(context, { kind: "bad_request", ...parsed.error });
  const rows = await listedModels(context);
  if (!rows.ok) return fail(context, rows.error);
  const body: z.infer<typeof CountBody> = {
    data: { count: countModels(rows.value, parsed.value.query.outputModalities) },
  };
  return json(body, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
}
