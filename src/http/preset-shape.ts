/** A preset and its versions as the API shows them. Times are ISO 8601; an account has no users, so nobody in it made one. */
import * as z from "zod";
import type { AccountId } from "../core/ids.ts";
import type { PresetVersionView, PresetView } from "../gates/account-presets-contract.ts";
import { configOf } from "../gates/presets-client.ts";

const time = z.string().describe("ISO 8601");

export const PresetVersionShape = z.object({
  id: z.string(),
  preset_id: z.string(),
  creator_id: z.string().describe("The account"),
  version: z.int().describe("From 1"),
  system_prompt: z.string().nullable(),
  config: z.looseObject({}).describe("Fields of chat completions, whichever format they came in"),
  created_at: time,
  updated_at: time,
});

export const PresetShape = z.object({
  id: z.string(),
  creator_user_id: z.null(),
  workspace_id: z.string().describe("The account"),
  name: z.string().describe("Its slug"),
  slug: z.string(),
  description: z.null(),
  status: z.literal("active"),
  status_updated_at: z.null(),
  designated_version_id: z.string().describe("The version that requests get: the newest"),
  created_at: time,
  updated_at: time,
});

export const PresetWithVersionShape = PresetShape.extend({ designated_version: PresetVersionShape });

export function presetBody(preset: PresetView, account: AccountId): z.infer<typeof PresetShape> {
  return {
    id: preset.id,
    creator_user_id: null,
    workspace_id: account,
    name: preset.slug,
    slug: preset.slug,
    description: null,
    status: "active",
    status_updated_at: null,
    designated_version_id: preset.versionId,
    created_at: timeOf(preset.createdAtMs),
    updated_at: timeOf(preset.updatedAtMs),
  };
}

export function presetVersionBody(version: PresetVersionView, account: AccountId): z.infer<typeof PresetVersionShape> {
  return {
    id: version.id,
    preset_id: version.presetId,
    creator_id: account,
    version: version.version,
    system_prompt: version.systemPrompt,
    config: { ...configOf(version.config) },
    created_at: timeOf(version.createdAtMs),
    // A version never changes.
    updated_at: timeOf(version.createdAtMs),
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
