/** GET /presets and what is below it, and DELETE: the account's presets and their versions. */
import type { Hono } from "hono";
import * as z from "zod";
import type { AccountId } from "../../core/ids.ts";
import { assert } from "../../core/result.ts";
import type { PresetAnswer, PresetCommand } from "../../gates/account-presets-contract.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { gateAnswer, identify, PRIVATE } from "../middleware/identify.ts";
import type { Operation } from "../operation.ts";
import { pagingOf, pagingQuery } from "../paging.ts";
import {
  presetBody,
  PresetShape,
  presetVersionBody,
  PresetVersionShape,
  PresetWithVersionShape,
} from "../preset-shape.ts";

const total = z.int().describe("On all pages");
export const presetPathParts = { slug: "The preset's slug: letters, digits, `.`, `_` and `-`, at most 64" };

export const presetOperations: readonly Operation[] = [
  {
    id: "listPresets",
    method: "get",
    path: "/presets",
    summary: "List the account's presets",
    auth: "any",
    query: pagingQuery("Presets"),
    responses: {
      200: {
        description: "The most recently updated first",
        body: z.object({ data: z.array(PresetShape), total_count: total }),
      },
    },
  },
  {
    id: "readPreset",
    method: "get",
    path: "/presets/{slug}",
    pathParts: presetPathParts,
    summary: "Read a preset with the version that requests get",
    auth: "any",
    responses: { 200: { description: "The preset", body: z.object({ data: PresetWithVersionShape }) } },
  },
  {
    id: "deletePreset",
    method: "delete",
    path: "/presets/{slug}",
    pathParts: presetPathParts,
    summary: "Delete a preset and all its versions; no request finds it 10 s later",
    auth: "any",
    responses: { 200: { description: "It is gone", body: z.object({ deleted: z.literal(true) }) } },
  },
  {
    id: "listPresetVersions",
    method: "get",
    path: "/presets/{slug}/versions",
    pathParts: presetPathParts,
    summary: "List the versions of a preset",
    auth: "any",
    query: pagingQuery("Versions"),
    responses: {
      200: {
        description: "The oldest first",
        body: z.object({ data: z.array(PresetVersionShape), total_count: total }),
      },
    },
  },
  {
    id: "readPresetVersion",
    method: "get",
    path: "/presets/{slug}/versions/{version}",
    pathParts: { ...presetPathParts, version: "The version's number, from 1" },
    summary: "Read a version of a preset",
    auth: "any",
    responses: { 200: { description: "The version", body: z.object({ data: PresetVersionShape }) } },
  },
];

export function registerPresets(app: Hono<AppEnv>): void {
  app.get("/presets", listPresets);
  app.get("/presets/:slug", (context) => onePreset(context, { kind: "read", slug: slugOf(context) }));
  app.delete("/presets/:slug", deletePreset);
  app.get("/presets/:slug/versions", listVersions);
  app.get("/presets/:slug/versions/:version", readVersion);
}

/** The slug in the path; the caller's own gate decides whether it has such a preset. */
export function slugOf(context: AppContext): string {
  return context.req.param("slug") ?? "";
}

/** Runs a command whose answer is one preset. */
export async function onePreset(
  context: AppContext,
  command: Extract<PresetCommand, { readonly kind: "read" | "write" }>,
): Promise<Response> {
  return await answered(context, command, "preset", ({ preset, version }, account) => ({
    data: { ...presetBody(preset, account), designated_version: presetVersionBody(version, account) },
  }));
}

async function listPresets(context: AppContext): Promise<Response> {
  const paging = pagingOf(context);
  if (!paging.ok) return fail(context, paging.error);
  return await answered(context, { kind: "list", ...paging.value }, "list", ({ presets, total: count }, account) => ({
    data: presets.map((preset) => presetBody(preset, account)),
    total_count: count,
  }));
}

async function deletePreset(context: AppContext): Promise<Response> {
  const slug = slugOf(context);
  return await answered(context, { kind: "delete", slug }, "deleted", (_deleted, account) => {
    context.get("deps").presets.forget(account, slug);
    return { deleted: true };
  });
}

async function listVersions(context: AppContext): Promise<Response> {
  const paging = pagingOf(context);
  if (!paging.ok) return fail(context, paging.error);
  const command = { kind: "versions", slug: slugOf(context), ...paging.value } as const;
  return await answered(context, command, "versions", ({ versions, total: count }, account) => ({
    data: versions.map((version) => presetVersionBody(version, account)),
    total_count: count,
  }));
}

async function readVersion(context: AppContext): Promise<Response> {
  const text = context.req.param("version") ?? "";
  const version = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
  if (version === 0) {
    return fail(context, { kind: "bad_request", message: "version must be a whole number from 1", path: "version" });
  }
  return await answered(context, { kind: "version", slug: slugOf(context), version }, "version", (found, account) => ({
    data: presetVersionBody(found.version, account),
  }));
}

/** Asks the caller's gate, and shows the answer, which is of the kind that the command asks for. */
async function answered<Kind extends PresetAnswer["kind"]>(
  context: AppContext,
  command: PresetCommand,
  kind: Kind,
  show: (answer: Extract<PresetAnswer, { readonly kind: Kind }>, account: AccountId) => object,
): Promise<Response> {
  const caller = await identify(context);
  if (!caller.ok) return fail(context, caller.error);
  const answer = await gateAnswer(caller.value.gate.presets(command));
  if (!answer.ok) return fail(context, answer.error);
  assert(isOf(answer.value, kind), "a command is answered in its kind");
  return json(show(answer.value, caller.value.account.id), 200, PRIVATE);
}

function isOf<Kind extends PresetAnswer["kind"]>(
  answer: PresetAnswer,
  kind: Kind,
): answer is Extract<PresetAnswer, { readonly kind: Kind }> {
  return answer.kind === kind;
}
