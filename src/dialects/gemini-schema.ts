/**
 * The body of Gemini's `generateContent` as a client may send it. zod checks once and copies no text. `null` means "not
 * set". Field names may be written in lower camel case or as in the proto files (`system_instruction`), as the API takes
 * both; `camelKeys` makes them one before the check, and leaves alone what is the client's own.
 * Source: https://ai.google.dev/api/generate-content (accessed 2026-11-21); the types of @google/genai 2.32.0.
 */
import * as z from "zod";
import { isObject } from "../core/json.ts";
import { DURATION } from "../core/video.ts";
import { between, callId, jsonObject, MODELS_MAX, modelName, presetName, tokens, wholeBetween } from "./schema.ts";

const CONTENTS_MAX = 10_000;
const PARTS_MAX = 4_096;
const TOOLS_MAX = 1_024;
const STOP_MAX = 16;
const SIGNATURE_CHARS_MAX = 4 * 1024 * 1024;

const mimeType = z
  .string()
  .max(128)
  .regex(/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/i, "must be a media type such as image/png");
const blob = z.looseObject({
  mimeType,
  data: z
    .string()
    .min(1)
    .refine((data) => !/^(data:|https?:)/i.test(data.slice(0, 6)), "must be the base64 alone, without a data: prefix"),
  displayName: z.string().max(1_024).nullish(),
});
export type WireBlob = z.infer<typeof blob>;
const fileData = z.looseObject({
  fileUri: z.string().min(1).max(8_192),
  mimeType: mimeType.nullish(),
  displayName: z.string().max(1_024).nullish(),
});
export type WireFileData = z.infer<typeof fileData>;
const functionResponsePart = z.looseObject({ inlineData: blob.nullish(), fileData: fileData.nullish() });

const duration = z.string().regex(DURATION, 'must be seconds such as "12.5s"').nullish();
const resolution = z
  .enum([
    "MEDIA_RESOLUTION_UNSPECIFIED",
    "MEDIA_RESOLUTION_LOW",
    "MEDIA_RESOLUTION_MEDIUM",
    "MEDIA_RESOLUTION_HIGH",
    "MEDIA_RESOLUTION_ULTRA_HIGH",
  ])
  .nullish();

/** What a part may hold, one of them each. */
const PART_KINDS = ["text", "inlineData", "fileData", "functionCall", "functionResponse"] as const;
/** What the API knows beside them, and nobody here runs. */
const REFUSED_KINDS = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] as const;

const part = z
  .looseObject({
    text: z.string().nullish(),
    thought: z.boolean().nullish(),
    thoughtSignature: z.string().max(SIGNATURE_CHARS_MAX).nullish(),
    inlineData: blob.nullish(),
    fileData: fileData.nullish(),
    videoMetadata: z
      .looseObject({ startOffset: duration, endOffset: duration, fps: z.number().positive().max(60).nullish() })
      .nullish(),
    mediaResolution: z.looseObject({ level: resolution }).nullish(),
    functionCall: z
      .looseObject({
        id: z.union([callId, z.literal("")]).nullish(),
        name: z.string().min(1).max(256),
        args: jsonObject.nullish(),
      })
      .nullish(),
    functionResponse: z
      .looseObject({
        id: z.union([callId, z.literal("")]).nullish(),
        name: z.string().min(1).max(256),
        response: jsonObject.nullish(),
        parts: z.array(functionResponsePart).max(PARTS_MAX).nullish(),
      })
      .nullish(),
  })
  .check((context) => {
    const held = context.value;
    const isSet = (kind: string): boolean => held[kind] !== null && held[kind] !== undefined;
    const refused = REFUSED_KINDS.find(isSet);
    const message =
      refused !== undefined
        ? `holds ${refused}: nothing runs code or tools for the model here`
        : PART_KINDS.filter(isSet).length > 1
          ? `holds more than one of ${PART_KINDS.join(", ")}`
          : PART_KINDS.some(isSet) || isSet("thoughtSignature")
            ? undefined
            : `must hold one of ${PART_KINDS.join(", ")}`;
    if (message !== undefined) context.issues.push({ code: "custom", input: undefined, message });
  });
export type WirePart = z.infer<typeof part>;

/** One part may stand without its array. */
const parts = z.preprocess((value) => (isObject(value) ? [value] : value), z.array(part).max(PARTS_MAX).nullish());
const role = z.enum(["user", "model", "function", "tool"]).nullish();
const content = z.looseObject({ role, parts });
export type WireContent = z.infer<typeof content>;
/** One content that stands alone, as it is embedded; a text may stand for it. */
export const wireContent = z.preprocess(
  (value) => (typeof value === "string" ? { parts: [{ text: value }] } : value),
  content,
);
const systemInstruction = z.preprocess(
  (value) => (typeof value === "string" ? { parts: [{ text: value }] } : value),
  z.looseObject({ parts }).nullish(),
);

const functionDeclaration = z.looseObject({
  name: z.string().min(1).max(64),
  description: z.string().nullish(),
  /** The API's own dialect of OpenAPI schemas. */
  parameters: jsonObject.nullish(),
  parametersJsonSchema: jsonObject.nullish(),
});
export type WireDeclaration = z.infer<typeof functionDeclaration>;
const tool = z
  .looseObject({ functionDeclarations: z.array(functionDeclaration).max(TOOLS_MAX).nullish() })
  .check((context) => {
    const other = Object.keys(context.value).find(
      (key) => key !== "functionDeclarations" && context.value[key] !== null,
    );
    if (other === undefined) return;
    const message = `holds ${other.slice(0, 64)}: only functionDeclarations are available here`;
    context.issues.push({ code: "custom", input: undefined, message });
  });

const generationConfig = z.looseObject({
  temperature: between(0, 2),
  topP: between(0, 1),
  topK: wholeBetween(0, 1_000_000),
  candidateCount: wholeBetween(1, 128),
  maxOutputTokens: tokens,
  stopSequences: z.array(z.string().max(1_024)).max(STOP_MAX).nullish(),
  seed: z.int().nullish(),
  presencePenalty: between(-2, 2),
  frequencyPenalty: between(-2, 2),
  responseLogprobs: z.boolean().nullish(),
  logprobs: wholeBetween(0, 20),
  responseMimeType: z.enum(["text/plain", "application/json"]).nullish(),
  responseSchema: jsonObject.nullish(),
  responseJsonSchema: jsonObject.nullish(),
  responseModalities: z
    .array(z.enum(["TEXT", "IMAGE", "AUDIO", "text", "image", "audio"]))
    .max(3)
    .nullish(),
  thinkingConfig: z
    .looseObject({
      includeThoughts: z.boolean().nullish(),
      thinkingBudget: z.int().min(-1).max(10_000_000).nullish(),
      thinkingLevel: z
        .enum(["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high"])
        .nullish(),
    })
    .refine(
      (config) => !config.thinkingBudget || !config.thinkingLevel || config.thinkingLevel.startsWith("THINKING"),
      {
        error: "must not hold both thinkingBudget and thinkingLevel",
      },
    )
    .nullish(),
});
export type WireConfig = z.infer<typeof generationConfig>;

export const GeminiBody = z.looseObject({
  contents: z.preprocess((value) => (isObject(value) ? [value] : value), z.array(content).min(1).max(CONTENTS_MAX)),
  systemInstruction,
  tools: z.preprocess((value) => (isObject(value) ? [value] : value), z.array(tool).max(TOOLS_MAX).nullish()),
  toolConfig: z
    .looseObject({
      functionCallingConfig: z
        .looseObject({
          mode: z.enum(["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]).nullish(),
          allowedFunctionNames: z.array(z.string().min(1).max(64)).max(TOOLS_MAX).nullish(),
        })
        .nullish(),
    })
    .nullish(),
  generationConfig: generationConfig.nullish(),
  safetySettings: z.array(z.looseObject({})).max(64).nullish(),
  cachedContent: z.string().max(512).nullish(),
  // Ours, beside the API's own.
  models: z.array(modelName).max(MODELS_MAX).nullish(),
  provider: jsonObject.nullish(),
  preset: presetName,
  sessionId: z.string().max(256).nullish(),
  user: z.string().max(256).nullish(),
});
export type GeminiBody = z.infer<typeof GeminiBody>;

/** Members whose keys are the client's own. */
const OPAQUE: ReadonlySet<string> = new Set([
  "args",
  "response",
  "parameters",
  "parametersJsonSchema",
  "responseSchema",
  "responseJsonSchema",
  "labels",
  "provider",
]);

/** The same value with every structural key in lower camel case. Nesting is limited before. */
export function camelKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (!isObject(value)) return value;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    // `_responseJsonSchema` is how one client spells the newer field.
    const name = key === "_responseJsonSchema" ? "responseJsonSchema" : camel(key);
    if (name === "__proto__") continue;
    out[name] = OPAQUE.has(name) ? value[key] : camelKeys(value[key]);
  }
  return out;
}

function camel(key: string): string {
  return key.includes("_") ? key.replace(/(?!^)_([a-z])/g, (_all, letter: string) => letter.toUpperCase()) : key;
}
