/** POST /byok: gives the account a provider credential of its own. It is sealed here; the answer shows its label only. */
import type { Hono } from "hono";
import * as z from "zod";
import type { RouterError } from "../../core/error.ts";
import { asProviderId, newByokId, type ProviderId } from "../../core/ids.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { byokFields, keyFilter, modelFilter, OneByokBody, sealedByok } from "../byok-shape.ts";
import { fail, type AppContext, type AppEnv } from "../context.ts";
import { identifyManager } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { readStrict } from "../strict-body.ts";
import { oneByok } from "./read-byok.ts";

const NewByokBody = z.strictObject({ provider: z.string().min(1).describe("The provider's slug"), ...byokFields });

export const createByokOperation: Operation = {
  id: "createByok",
  method: "post",
  path: "/byok",
  summary: "Add an own provider credential",
  auth: "management",
  request: NewByokBody,
  responses: { 201: { description: "The credential, without its secret", body: OneByokBody } },
};

export function registerCreateByok(app: Hono<AppEnv>): void {
  app.post("/byok", createByok);
}

async function createByok(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const caller = await identifyManager(context);
  if (!caller.ok) return fail(context, caller.error);
  const body = await readStrict(context.req.raw, NewByokBody);
  if (!body.ok) return fail(context, body.error);
  const wanted = body.value;
  const provider = await providerNamed(context, wanted.provider);
  if (!provider.ok) return fail(context, provider.error);
  const models = await modelFilter(wanted.allowed_models, deps);
  if (!models.ok) return fail(context, models.error);
  const { gate, account } = caller.value;
  const fresh = {
    id: newByokId(deps.randomBytes),
    provider: provider.value,
    ...(await sealedByok(wanted.key, account.id, provider.value, deps)),
    name: wanted.name ?? null,
    disabled: wanted.disabled ?? false,
    isFallback: wanted.is_fallback ?? false,
    alwaysUse: wanted.always_use ?? false,
    sortOrder: wanted.sort_order ?? null,
    allowedModels: models.value ?? null,
    allowedKeyHashes: keyFilter(wanted.allowed_api_key_hashes) ?? null,
  };
  return await oneByok(context, gate, { kind: "create", fresh }, 201);
}

/** @returns `bad_request` for a provider that the catalog lacks, `overloaded`. */
async function providerNamed(context: AppContext, slug: string): Promise<Result<ProviderId, RouterError>> {
  const { catalog, waitUntil } = context.get("deps");
  const providers = await catalog.providers(waitUntil);
  if (!providers.ok) return providers;
  if (providers.value.some((one) => one.slug === slug)) return ok(asProviderId(slug));
  const message = "provider is not the slug of a provider of the catalog. GET /providers lists them.";
  return err({ kind: "bad_request", message, path: "provider" });
}
