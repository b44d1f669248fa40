/**
 * What the dialects of tasks (embeddings, rerank, moderations) share: the fields beside the task itself, the request that
 * carries it, and answers in one piece. Their texts stand in messages as well, by which a request is counted and filtered.
 */
import * as z from "zod";
import type { ChatRequest, Message, Part } from "../core/chat.ts";
import type { Collected } from "../core/event.ts";
import { assert } from "../core/result.ts";
import type { JsonObject } from "../core/json.ts";
import { OUTPUT_OF_TASK, type Outcome, type Task, type TaskKind } from "../core/task.ts";
import { createWarnings, given, modelsOf } from "./body.ts";
import { EVENT_STREAM, type Dialect, type ParsedBody } from "./dialect.ts";
import { renderOpenAiChatError } from "./openai-chat-reply.ts";
import { jsonObject, MODELS_MAX, modelName } from "./schema.ts";

/** Things that one request may name. */
export const INPUTS_MAX = 2_048;

/** Fields beside the task. */
export const taskFields = {
  model: modelName.nullish(),
  models: z.array(modelName).max(MODELS_MAX).nullish(),
  provider: jsonObject.nullish(),
  user: z.string().max(256).nullish(),
  session_id: z.string().max(256).nullish(),
};
type TaskFields = z.infer<z.ZodObject<typeof taskFields>>;

/** A body that was read. Fields that nobody knows are named in warnings: no form of a task has room for them. */
export function taskBody(
  wire: TaskFields & Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
  task: Task,
  inputs: readonly (readonly Part[])[],
): ParsedBody {
  const { warn, warnings } = createWarnings();
  for (const field of Object.keys(wire)) {
    if (!known.has(field) && wire[field] !== null) warn(`${field.slice(0, 64)} is not passed on`);
  }
  const messages: readonly Message[] = inputs.map((parts) => ({ role: "user", parts }));
  const request: ChatRequest = {
    messages,
    task,
    stream: false,
    sampling: {},
    stop: [],
    tools: [],
    modalities: [OUTPUT_OF_TASK[task.kind]],
    ...given("user", wire.user),
    extra: {},
  };
  return {
    request,
    models: modelsOf(wire),
    provider: (wire.provider ?? null) as JsonObject | null, // parsed from JSON
    sessionId: wire.session_id ?? null,
    warnings: warnings(),
  };
}

/** What came of a task. Answers without an outcome never get here: they are failures of their endpoint. */
export function outcomeOf<K extends TaskKind>(answer: Collected, kind: K): Outcome & { readonly kind: K } {
  const event = answer.events.find((one) => one.type === "outcome");
  assert(event?.type === "outcome" && event.outcome.kind === kind, "an answered task has its outcome");
  return event.outcome as Outcome & { readonly kind: K }; // of that kind, as just checked
}

/** The part of a dialect that is the same for all tasks: errors as in chat, and no streams. */
export const taskDialect = {
  renderError: renderOpenAiChatError,
  ...EVENT_STREAM,
  keepAlive: "",
  createStreamRenderer() {
    throw new Error("a task is answered in one piece");
  },
} satisfies Partial<Dialect>;
