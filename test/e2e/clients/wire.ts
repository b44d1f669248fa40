/**
 * What a provider was sent, read in its own format by its own names: the pictures, what each call got as its result, and
 * the schema of the answer. Fields of another format count for nothing here.
 * Formats: OpenAI's chat completions, Anthropic's Messages, Gemini's generateContent.
 */
import * as z from "zod";
import type { Recorded } from "../wire-recorder.ts";

export interface Sent {
  readonly pictures: readonly { readonly mediaType: string; readonly data: string }[];
  /** Calls in their order, each with what came back under its id, or in Gemini's format also in its place. */
  readonly results: readonly { readonly name: string; readonly arguments: unknown; readonly result: unknown }[];
  /** By the format's own field, or as the input of the one tool that must be called. */
  readonly schema: unknown;
}

/** Reads a request by its path; throws when it is not in that path's format. */
export function readSent({ path, body }: Recorded): Sent {
  const json: unknown = JSON.parse(body);
  if (path.endsWith("/chat/completions")) return openAi(OpenAi.parse(json));
  if (path.endsWith("/messages")) return anthropic(Anthropic.parse(json));
  if (/\/models\/[^/]+:(streamGenerateContent|generateContent)/.test(path)) return gemini(Gemini.parse(json));
  throw new Error(`nobody knows the format of ${path}`);
}

const OpenAiCall = z.looseObject({
  id: z.string(),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});
const OpenAi = z.looseObject({
  messages: z.array(
    z.looseObject({
      content: z.unknown().optional(),
      tool_calls: z.array(OpenAiCall).optional(),
      tool_call_id: z.string().optional(),
    }),
  ),
  response_format: z.looseObject({ json_schema: z.looseObject({ schema: z.unknown() }) }).optional(),
  tools: z.array(z.looseObject({ function: z.looseObject({ parameters: z.unknown() }) })).optional(),
});
const ImageUrl = z.looseObject({ type: z.literal("image_url"), image_url: z.looseObject({ url: z.string() }) });

function openAi({ messages, response_format: format, tools }: z.infer<typeof OpenAi>): Sent {
  const parts = messages.flatMap(({ content }): unknown[] => (Array.isArray(content) ? content : []));
  const results = new Map(messages.map((message) => [message.tool_call_id, textOf(message.content)]));
  return {
    pictures: only(ImageUrl, parts).map(({ image_url: { url } }) => {
      const [, mediaType = "", data = ""] = /^data:([^;]+);base64,(.*)$/.exec(url) ?? [];
      return { mediaType, data };
    }),
    results: messages
      .flatMap(({ tool_calls: calls }) => calls ?? [])
      .map(({ id, function: { name, arguments: input } }) => ({
        name,
        arguments: JSON.parse(input) as unknown,
        result: results.get(id),
      })),
    schema: format?.json_schema.schema ?? tools?.[0]?.function.parameters,
  };
}

const Anthropic = z.looseObject({
  messages: z.array(z.looseObject({ content: z.union([z.string(), z.array(z.unknown())]) })),
  output_config: z.looseObject({ format: z.looseObject({ schema: z.unknown() }).optional() }).optional(),
  tools: z.array(z.looseObject({ input_schema: z.unknown() })).optional(),
});
const Image = z.looseObject({
  type: z.literal("image"),
  source: z.looseObject({ type: z.literal("base64"), media_type: z.string(), data: z.string() }),
});
const ToolUse = z.looseObject({ type: z.literal("tool_use"), id: z.string(), name: z.string(), input: z.unknown() });
const ToolResult = z.looseObject({
  type: z.literal("tool_result"),
  tool_use_id: z.string(),
  content: z.unknown(),
});

function anthropic({ messages, output_config: output, tools }: z.infer<typeof Anthropic>): Sent {
  const blocks = messages.flatMap(({ content }) => (typeof content === "string" ? [] : content));
  const results = new Map(only(ToolResult, blocks).map((block) => [block.tool_use_id, textOf(block.content)]));
  return {
    pictures: only(Image, blocks).map(({ source }) => ({ mediaType: source.media_type, data: source.data })),
    results: only(ToolUse, blocks).map(({ id, name, input }) => ({ name, arguments: input, result: results.get(id) })),
    schema: output?.format?.schema ?? tools?.[0]?.input_schema,
  };
}

const Gemini = z.looseObject({
  contents: z.array(z.looseObject({ parts: z.array(z.unknown()) })),
  generationConfig: z.looseObject({ responseJsonSchema: z.unknown().optional() }).optional(),
  tools: z
    .array(z.looseObject({ functionDeclarations: z.array(z.looseObject({ parametersJsonSchema: z.unknown() })) }))
    .optional(),
});
const InlineData = z.looseObject({ inlineData: z.looseObject({ mimeType: z.string(), data: z.string() }) });
const FunctionCall = z.looseObject({ functionCall: z.looseObject({ name: z.string(), args: z.unknown() }) });
const FunctionResponse = z.looseObject({
  functionResponse: z.looseObject({ name: z.string(), response: z.record(z.string(), z.unknown()) }),
});

function gemini({ contents, generationConfig, tools }: z.infer<typeof Gemini>): Sent {
  const parts = contents.flatMap((content) => content.parts);
  const responses = only(FunctionResponse, parts).map(({ functionResponse }) => functionResponse);
  return {
    pictures: only(InlineData, parts).map(({ inlineData }) => ({
      mediaType: inlineData.mimeType,
      data: inlineData.data,
    })),
    results: only(FunctionCall, parts).map(({ functionCall: { name, args } }, at) => {
      const response = responses[at];
      return { name, arguments: args, result: response?.name === name ? Object.values(response.response)[0] : null };
    }),
    schema: generationConfig?.responseJsonSchema ?? tools?.[0]?.functionDeclarations[0]?.parametersJsonSchema,
  };
}

/** Those of `values` that have the shape. */
function only<T>(shape: z.ZodType<T>, values: readonly unknown[]): T[] {
  return values.flatMap((value) => {
    const { success, data } = shape.safeParse(value);
    return success ? [data] : [];
  });
}

const Text = z.looseObject({ type: z.literal("text"), text: z.string() });

/** A content that is a text, or the texts of its parts. */
function textOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  return only(Text, content)
    .map(({ text }) => text)
    .join("");
}
