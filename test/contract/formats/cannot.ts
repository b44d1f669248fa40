/**
 * What each format cannot say, as a closed list: a sentence, and how a request looks without it. Media that a format does
 * not know become words, so that what stands around them keeps its place.
 */
import type {
  AssistantMessage,
  CacheControl,
  ChatRequest,
  Message,
  Part,
  PieceKind,
  ReasoningDetail,
  ReasoningRequest,
  Sampling,
  TextPart,
} from "../../../src/core/chat.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { ANTHROPIC, isUsual, RESPONSES } from "./conversations.ts";

export interface Cannot {
  readonly what: string;
  readonly strip: (request: ChatRequest) => ChatRequest;
}

/** A request with each message changed; null leaves one out. */
function eachMessage(request: ChatRequest, change: (message: Message) => Message): ChatRequest {
  return { ...request, messages: request.messages.map(change) };
}

/** An object that takes no more than it names; the conversations have no objects within. */
function closed(schema: JsonObject): JsonObject {
  return { ...schema, additionalProperties: false };
}

function eachAnswer(request: ChatRequest, change: (message: AssistantMessage) => AssistantMessage): ChatRequest {
  return eachMessage(request, (message) => (message.role === "assistant" ? change(message) : message));
}

/** Parts of messages of these roles changed. */
function eachPart(request: ChatRequest, roles: readonly Message["role"][], change: (part: Part) => Part): ChatRequest {
  return eachMessage(request, (message) =>
    // A text stays a text.
    roles.includes(message.role) ? ({ ...message, parts: message.parts.map(change) } as Message) : message,
  );
}

const ALL = ["system", "developer", "user", "assistant", "tool"] as const;

function omit<T extends object, Name extends keyof T>(value: T, ...names: readonly Name[]): Omit<T, Name> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name as Name))) as Omit<T, Name>;
}

const asWords = ({ type }: Part): TextPart => ({ type: "text", text: `(${type})` });
const uncached = <T extends { readonly cacheControl?: CacheControl | undefined }>(value: T): T =>
  omit(value, "cacheControl") as T;

const MEDIA_IN_ANSWERS: Cannot = {
  what: "media in earlier answers",
  strip: (request) => eachPart(request, ["assistant"], (part) => (part.type === "text" ? part : asWords(part))),
};
const NAMES: Cannot = {
  what: "names of those who speak",
  strip: (request) => eachMessage(request, (message) => omit(message, "name" as never) as Message),
};
const ERRORS: Cannot = {
  what: "that a result is an error",
  strip: (request) => eachMessage(request, (message) => omit(message, "isError" as never) as Message),
};
const VIDEO: Cannot = {
  what: "video",
  strip: (request) => eachPart(request, ALL, (part) => (part.type === "video" ? asWords(part) : part)),
};
const HIDDEN: Cannot = {
  what: "that reasoning is to be hidden: that is done here",
  strip: (request) => withReasoning(request, (wish) => omit(wish, "exclude")),
};

function withReasoning(
  request: ChatRequest,
  change: (wish: ReasoningRequest) => ReasoningRequest | undefined,
): ChatRequest {
  if (request.reasoning === undefined) return request;
  const reasoning = change(request.reasoning);
  const isEmpty = reasoning === undefined || Object.keys(reasoning).length === 0;
  return isEmpty ? omit(request, "reasoning") : { ...request, reasoning };
}

function withSampling(request: ChatRequest, ...names: readonly (keyof Sampling)[]): ChatRequest {
  return { ...request, sampling: omit(request.sampling, ...names) };
}

/** The automatic breakpoint at the last part, unless that has its own. */
function placed(request: ChatRequest, most: number): ChatRequest {
  const { cacheControl, messages } = request;
  const rest = omit(request, "cacheControl");
  const last = messages.at(-1);
  const part = last?.parts.at(-1);
  if (cacheControl === undefined || last === undefined || part === undefined) return rest;
  if (part.cacheControl !== undefined || breakpoints(request) >= most) return rest;
  const parts = [...last.parts.slice(0, -1), { ...part, cacheControl }];
  return { ...rest, messages: [...messages.slice(0, -1), { ...last, parts } as Message] };
}

function breakpoints({ messages, tools }: ChatRequest): number {
  const calls = messages.flatMap((message) => (message.role === "assistant" ? message.toolCalls : []));
  const all = [...tools, ...calls, ...messages.flatMap((message): readonly Part[] => message.parts)];
  return all.filter(({ cacheControl }) => cacheControl !== undefined).length;
}

const automatic = (most = Number.POSITIVE_INFINITY): Cannot => ({
  what: "an automatic breakpoint, but as one at the block that it comes to",
  strip: (request) => placed(request, most),
});

/** Entries of other formats left out, with their places in the order; the rest counted anew. */
const foreign = (format: string): Cannot => ({
  what: "reasoning that another provider signed",
  strip: (request) =>
    eachAnswer(request, (message) => {
      const isOwn = (detail: ReasoningDetail | undefined): boolean => detail?.format === format;
      let next = 0;
      const order = message.order?.filter((kind) => kind !== "reasoning" || isOwn(message.reasoning[next++]));
      const own = message.reasoning.filter(isOwn);
      const indexes = [...new Set(own.map(({ index }) => index))];
      const reasoning = own.map((detail) => ({ ...detail, index: indexes.indexOf(detail.index) }));
      return reordered({ ...message, reasoning }, order);
    }),
});

/** The message with this order, told only where it is not the usual one. */
function reordered(message: AssistantMessage, order: readonly PieceKind[] | undefined): AssistantMessage {
  const rest = omit(message, "order");
  return order === undefined || isUsual(order) ? rest : { ...rest, order };
}

const chat: readonly Cannot[] = [
  MEDIA_IN_ANSWERS,
  { what: "the order of an answer's pieces", strip: (request) => eachAnswer(request, (one) => omit(one, "order")) },
  {
    what: "breakpoints at calls",
    strip: (request) => eachAnswer(request, (one) => ({ ...one, toolCalls: one.toolCalls.map(uncached) })),
  },
  ERRORS,
  HIDDEN,
  {
    what: "how reasoning is to be summed up",
    strip: (request) => withReasoning(request, (wish) => omit(wish, "summary")),
  },
  automatic(),
];

/** Two runs of words with no call between them: a message of its own begins with the second. */
function isParted(order: readonly PieceKind[]): boolean {
  let state: "before" | "within" | "after" = "before";
  for (const kind of order) {
    if (kind === "call") return false;
    if (kind === "part" && state === "after") return true;
    if (kind === "part") state = "within";
    else if (state === "within") state = "after";
  }
  return false;
}

const FILE_NAMES: Readonly<Record<string, string>> = {
  "application/pdf": "document.pdf",
  "text/plain": "document.txt",
};

const responses: readonly Cannot[] = [
  NAMES,
  ERRORS,
  VIDEO,
  MEDIA_IN_ANSWERS,
  HIDDEN,
  foreign(RESPONSES),
  {
    what: "words before and after reasoning within one message",
    strip: (request) =>
      eachAnswer(request, (one) => (one.order !== undefined && isParted(one.order) ? omit(one, "order") : one)),
  },
  {
    what: "budgets of reasoning, and that it is on: an effort says both",
    strip: (request) =>
      withReasoning(request, ({ enabled, maxTokens: _budget, ...wish }) =>
        enabled === false ? { ...wish, effort: "none" } : wish,
      ),
  },
  {
    what: "names of files that are elsewhere, and files without a name",
    strip: (request) =>
      eachPart(request, ["user", "tool"], (part) => {
        if (part.type !== "file") return part;
        if (part.data?.startsWith("data:") !== true) return omit(part, "filename");
        const type = /^data:([^;]+)/.exec(part.data)?.[1] ?? "";
        return { ...part, filename: part.filename ?? FILE_NAMES[type] ?? "" };
      }),
  },
  automatic(),
  {
    what: "how long a breakpoint lives",
    strip: (request) =>
      eachPart(request, ALL, (part) =>
        part.cacheControl === undefined ? part : { ...part, cacheControl: { type: "ephemeral" } },
      ),
  },
  {
    what: "breakpoints in answers and at tools",
    strip: (request) => ({
      ...eachAnswer(request, (one) => ({
        ...one,
        parts: one.parts.map(uncached),
        toolCalls: one.toolCalls.map(uncached),
      })),
      tools: request.tools.map(uncached),
    }),
  },
  {
    what: "tools without a schema, or without saying whether it is strict",
    strip: (request) => ({
      ...request,
      tools: request.tools.map((tool) => ({
        ...tool,
        parameters: tool.parameters ?? { type: "object", properties: {} },
        strict: tool.strict ?? false,
      })),
    }),
  },
  {
    what: "most of sampling",
    strip: (request) =>
      withSampling(
        request,
        ...(["top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty"] as const),
        ...(["repetition_penalty", "seed", "logit_bias", "n"] as const),
      ),
  },
  { what: "stop sequences", strip: (request) => ({ ...request, stop: [] }) },
  { what: "modalities of the answer", strip: (request) => omit(request, "modalities") },
];

function isForced({ tools, toolChoice }: ChatRequest): boolean {
  return tools.length > 0 && (toolChoice?.kind === "required" || toolChoice?.kind === "function");
}

/** The last turn goes on after calls, or with words of its own, and does not begin with thinking. */
function lacksThinking({ messages }: ChatRequest): boolean {
  const last = messages.findLast(({ role }) => role !== "system");
  const behind = messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);
  if (last?.role === "user" && !behind.some(({ role }) => role === "tool")) return false;
  const answer = messages.findLast((message) => message.role === "assistant");
  if (answer === undefined) return false;
  return answer.order === undefined ? answer.reasoning.length === 0 : answer.order[0] !== "reasoning";
}

/** Of 4.6. */
function thinkingOf(wish: ReasoningRequest): ReasoningRequest {
  const { effort, maxTokens, enabled, exclude } = wish;
  if (effort === "none" || enabled === false) return { enabled: false };
  if (maxTokens !== undefined) return { enabled: true, maxTokens };
  const known = effort === undefined ? "medium" : effort === "minimal" ? "low" : effort === "xhigh" ? "high" : effort;
  return { enabled: true, effort: known, ...(exclude === true ? { exclude } : {}) };
}

const anthropic: readonly Cannot[] = [
  {
    what: "instructions that are not the system's, or not at the beginning",
    strip(request) {
      const isSystem = ({ role }: Message): boolean => role === "system" || role === "developer";
      const parts = request.messages.filter(isSystem).flatMap((message) => message.parts as readonly TextPart[]);
      const rest = request.messages.filter((message) => !isSystem(message));
      return { ...request, messages: parts.length === 0 ? rest : [{ role: "system", parts }, ...rest] };
    },
  },
  NAMES,
  {
    what: "sound",
    strip: (request) => eachPart(request, ALL, (part) => (part.type === "audio" ? asWords(part) : part)),
  },
  VIDEO,
  MEDIA_IN_ANSWERS,
  {
    what: "the detail of an image",
    strip: (request) => eachPart(request, ALL, (part) => (part.type === "image" ? omit(part, "detail") : part)),
  },
  {
    what: "that an earlier answer was a refusal: it is a text",
    strip: (request) =>
      eachAnswer(request, ({ refusal, ...one }) =>
        refusal === undefined ? one : { ...one, parts: [...one.parts, { type: "text", text: refusal }] },
      ),
  },
  foreign(ANTHROPIC),
  {
    what: "tools without a schema of an object, that are said not to be strict, or that are and take an open object",
    strip: (request) => ({
      ...request,
      tools: request.tools.map(({ strict, parameters, ...tool }) => {
        if (strict === true)
          return { ...tool, parameters: closed({ type: "object", properties: {}, ...parameters }), strict };
        const open = parameters === undefined ? { type: "object", properties: {} } : { type: "object", ...parameters };
        return { ...tool, parameters: open };
      }),
    }),
  },
  {
    what: "whether calls may be parallel, but that they may not, beside a choice that allows calls",
    strip(request) {
      const { toolChoice = { kind: "auto" }, parallelToolCalls } = request;
      const rest = omit(request, "parallelToolCalls");
      if (parallelToolCalls !== false || toolChoice.kind === "none") return rest;
      return { ...rest, toolChoice, parallelToolCalls };
    },
  },
  {
    what: "JSON without a schema, and of a schema its name, description, that it is not strict and that its object is open",
    strip(request) {
      const { responseFormat } = request;
      if (responseFormat?.kind !== "json_schema") return omit(request, "responseFormat");
      const schema = closed(responseFormat.schema);
      return { ...request, responseFormat: { kind: "json_schema", name: "response", schema, strict: true } };
    },
  },
  {
    what: "an answer without a limit",
    strip: (request) => ({ ...request, maxOutputTokens: request.maxOutputTokens ?? 4_096 }),
  },
  {
    what: "reasoning beside a forced call, or with a budget where a turn goes on without it",
    strip: (request) =>
      withReasoning(request, (wish) => {
        const thinks = thinkingOf(wish).enabled === true;
        const isRefused = isForced(request) || (wish.maxTokens !== undefined && lacksThinking(request));
        return thinks && isRefused ? undefined : wish;
      }),
  },
  {
    what: "all words for reasoning: it has on and off, four efforts, a budget, and hides only what has an effort",
    strip: (request) => withReasoning(request, thinkingOf),
  },
  {
    what: "most of sampling, and of the rest what reasoning and other members exclude",
    strip(request) {
      const { temperature, top_p: topP, top_k: topK, verbosity } = request.sampling;
      const thinks = request.reasoning?.enabled === true;
      const hasTemperature = temperature !== undefined && temperature <= 1 && (!thinks || temperature === 1);
      const hasTopP = topP !== undefined && !hasTemperature && (!thinks || topP >= 0.95);
      return {
        ...request,
        sampling: {
          ...(hasTemperature ? { temperature } : {}),
          ...(hasTopP ? { top_p: topP } : {}),
          ...(topK === undefined || thinks ? {} : { top_k: topK }),
          ...(verbosity === undefined || request.reasoning?.effort !== undefined ? {} : { verbosity }),
        },
      };
    },
  },
  {
    what: "stop sequences of white space",
    strip: (request) => ({ ...request, stop: request.stop.filter((text) => text.trim() !== "") }),
  },
  {
    what: "keys of prompt caches, modalities, and fields that nobody knows",
    strip: (request) => ({ ...omit(request, "promptCacheKey", "modalities"), extra: {} }),
  },
  automatic(4),
];

/** By the format's name. */
export const CANNOT = { "openai-chat": chat, "openai-responses": responses, "anthropic-messages": anthropic } as const;
