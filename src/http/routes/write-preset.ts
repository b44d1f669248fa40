/**
 * POST /presets/{slug}/chat/completions, /messages and /responses: makes a preset, or a new version of one, from a body
 * that could be sent to the same path without `/presets/{slug}`. Nothing is generated, nothing charged.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { newPresetId } from "../../core/ids.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import { MessagesBody } from "../../dialects/anthropic-messages-schema.ts";
import { anthropicMessages } from "../../dialects/anthropic-messages.ts";
import { PRESET_SLUG } from "../../dialects/named.ts";
import { ChatBody } from "../../dialects/openai-chat-schema.ts";
import { openAiChat } from "../../dialects/openai-chat.ts";
import { ResponsesBody } from "../../dialects/openai-responses-schema.ts";
import { openAiResponses } from "../../dialects/openai-responses.ts";
import { presetContentOf } from "../../dialects/preset-config.ts";
import { parsePreferences } from "../../router/preferences.ts";
import { readJson } from "../body.ts";
import { fail, type AppContext, type AppEnv } from "../context.ts";
import { authenticate } from "../middleware/authenticate.ts";
import type { Operation } from "../operation.ts";
import { PresetWithVersionShape } from "../preset-shape.ts";
import { onePreset, presetPathParts, slugOf } from "./presets.ts";

const FORMATS = [
  { path: "chat/completions", id: "ChatCompletion", dialect: openAiChat, body: ChatBody.partial() },
  { path: "messages", id: "Message", dialect: anthropicMessages, body: MessagesBody.partial() },
  { path: "responses", id: "Response", dialect: openAiResponses, body: ResponsesBody.partial() },
] as const;

export const writePresetOperations: readonly Operation[] = FORMATS.map(({ path, id, body }) => ({
  id: `createPresetFrom${id}`,
  method: "post",
  path: `/presets/{slug}/${path}`,
  pathParts: presetPathParts,
  summary: `Make a preset, or a version of one, from a body of /${path}`,
  auth: "any",
  request: body,
  responses: {
    200: {
      description: "The preset. Its settings and the instructions at the conversation's beginning are kept, no more",
      body: z.object({ data: PresetWithVersionShape }),
    },
  },
}));

export function registerWritePreset(app: Hono<AppEnv>): void {
  for (const { path, dialect } of FORMATS) app.post(`/presets/:slug/${path}`, (context) => write(context, dialect));
}

async function write(context: AppContext, dialect: Dialect): Promise<Response> {
  const { presets, randomBytes } = context.get("deps");
  const caller = await authenticate(context);
  if (!caller.ok) return fail(context, caller.error);
  const slug = slugOf(context);
  if (!PRESET_SLUG.test(slug)) {
    const message =
      "slug must have 1 to 64 letters, digits, dots, underscores and hyphens, and begin with one of the former";
    return fail(context, { kind: "bad_request", message, path: "slug" });
  }
  const body = await readJson(context.req.raw);
  if (!body.ok) return fail(context, body.error);
  body.value.release();
  const content = presetContentOf(dialect, body.value.value);
  if (!content.ok) return fail(context, content.error);
  const { config, systemPrompt } = content.value;
  const preferences = parsePreferences((config["provider"] ?? null) as JsonObject | null); // checked to be one
  if (!preferences.ok) return fail(context, preferences.error);
  const written = await onePreset(context, {
    kind: "write",
    slug,
    id: newPresetId(randomBytes),
    versionId: newPresetId(randomBytes),
    systemPrompt,
    config: JSON.stringify(config),
  });
  presets.forget(caller.value.account, slug);
  return written;
}
