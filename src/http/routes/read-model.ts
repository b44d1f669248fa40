/** GET /model/{author}/{slug}: one model by its id, canonical slug or alias, with or without a variant. */
import type { Hono } from "hono";
import * as z from "zod";
import { publicModel } from "../../catalog/listing.ts";
import { resolveModel, type ResolvedModel } from "../../catalog/resolve.ts";
import type { RouterError } from "../../core/error.ts";
import { err, type Result } from "../../core/result.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { listedRouter } from "../listed-models.ts";
import { ModelShape } from "../model-shape.ts";
import type { Operation } from "../operation.ts";
import { LISTING_CACHE_CONTROL } from "./list-models.ts";

export const modelPathParts = {
  author: "The part of the model's id before the slash",
  slug: "The part after it; a variant such as `:free` may follow",
};

export const readModelOperation: Operation = {
  id: "readModel",
  method: "get",
  path: "/model/{author}/{slug}",
  pathParts: modelPathParts,
  summary: "Read one model",
  auth: "public",
  responses: { 200: { description: "The model", body: z.object({ data: ModelShape }) } },
};

export function registerReadModel(app: Hono<AppEnv>): void {
  app.get("/model/:author/:slug", readModel);
}

async function readModel(context: AppContext): Promise<Response> {
  const router = await listedRouter(context, nameOfPath(context));
  if (!router.ok) return fail(context, router.error);
  if (router.value !== null) return json({ data: router.value.model }, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
  const found = await modelOfPath(context);
  if (!found.ok) return fail(context, found.error);
  const model = publicModel(found.value.entry);
  if (model === undefined) return fail(context, notFound(found.value.entry.model.id, []));
  return json({ data: model }, 200, { "Cache-Control": LISTING_CACHE_CONTROL });
}

/**
 * The model that the path names.
 * @returns `not_found` with the nearest ids, `free_variant_ended`, `overloaded`.
 */
export async function modelOfPath(context: AppContext): Promise<Result<ResolvedModel, RouterError>> {
  const deps = context.get("deps");
  const name = nameOfPath(context);
  const found = await resolveModel(deps.catalog, name, deps.waitUntil);
  if (found.ok || found.error.kind !== "unknown_model") return found;
  return err(notFound(name, found.error.nearest, found.error.reason));
}

export function nameOfPath(context: AppContext): string {
  return `${context.req.param("author") ?? ""}/${context.req.param("slug") ?? ""}`;
}

/** Longest piece of a client's own text that is repeated to it. */
const ECHO_CHARS_MAX = 200;

function notFound(name: string, nearest: readonly string[], reason?: string): RouterError {
  const why = reason === undefined ? "" : `: ${reason}`;
  const hint = nearest.length === 0 ? "" : `. Did you mean ${nearest.join(", ")}?`;
  return { kind: "not_found", message: `There is no model ${name.slice(0, ECHO_CHARS_MAX)}${why}${hint}` };
}
