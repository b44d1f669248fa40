/**
 * `POST /moderations`: whether texts and pictures break a provider's rules, in OpenAI's form.
 * Source: https://platform.openai.com/docs/api-reference/moderations (accessed 2026-11-21).
 */
import * as z from "zod";
import type { ImagePart, TextPart } from "../core/chat.ts";
import type { JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import { openBody, refuse, type BadRequest } from "./body.ts";
import type { AnswerHead, AnswerTail, Dialect, ParsedBody } from "./dialect.ts";
import { faultOf } from "./fault.ts";
import { imageUrl } from "./schema.ts";
import { INPUTS_MAX, outcomeOf, taskBody, taskDialect, taskFields } from "./task.ts";

/** What judges where nobody is named, as at OpenAI. */
const MODEL_DEFAULT = "openai/omni-moderation-latest";

const thing = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("text"), text: z.string() }),
  z.looseObject({ type: z.literal("image_url"), image_url: z.looseObject({ url: imageUrl }) }),
]);

export const ModerationsBody = z.looseObject({
  ...taskFields,
  input: z.union([z.string(), z.array(z.string()).min(1).max(INPUTS_MAX), z.array(thing).min(1).max(INPUTS_MAX)]),
});
const KNOWN: ReadonlySet<string> = new Set(Object.keys(ModerationsBody.shape));

/** @returns `bad_request` with the path of the first fault. */
function parseModerations(sent: unknown): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const body = opened.value;
  if (body["input"] === undefined || body["input"] === null) return refuse("input is required: what to judge", "input");
  const checked = ModerationsBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  const { input } = checked.data;
  const list = typeof input === "string" ? [input] : input;
  const inputs = list.map((one): TextPart | ImagePart => {
    if (typeof one === "string") return { type: "text", text: one };
    return one.type === "text" ? { type: "text", text: one.text } : { type: "image", url: one.image_url.url };
  });
  const isOne = list.some((one) => typeof one !== "string");
  const parsed = taskBody(
    checked.data,
    KNOWN,
    { kind: "moderation", inputs, isOne },
    inputs.map((part) => [part]),
  );
  return ok(parsed.models.length === 0 ? { ...parsed, models: [MODEL_DEFAULT] } : parsed);
}

/** The body of an answer. */
function renderReply(head: AnswerHead, answer: Parameters<Dialect["renderReply"]>[1], tail: AnswerTail): JsonObject {
  return {
    id: head.id,
    model: head.model,
    provider: head.provider,
    results: outcomeOf(answer, "moderation").results,
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

export const moderations = {
  ...taskDialect,
  name: "moderations",
  parse: parseModerations,
  renderReply,
} satisfies Dialect;
