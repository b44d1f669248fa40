/** The AI SDK (`ai`) with its OpenAI provider by both of its APIs, its Anthropic provider and OpenRouter's own. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI, type OpenAIProvider } from "@ai-sdk/openai";
import { createOpenRouter, type OpenRouterProvider } from "@openrouter/ai-sdk-provider";
import { generateText, isStepCount, jsonSchema, type LanguageModel, Output, streamText, tool } from "ai";
import { HELLO, PERSON, PICTURE, TOOLS } from "../upstream-aimock.ts";
import { type Call, type Client, type Connected, costIn, Person, resultOf, TOOL_SCHEMAS } from "./client.ts";
import type { Stage } from "./stage.ts";

// It says on each call which models it knows nothing of.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });

function makeOpenAiProvider({ server, tenant }: Stage): OpenAIProvider {
  return createOpenAI({ baseURL: server.apiBase, apiKey: tenant.key });
}

export function makeOpenRouterProvider({ server, tenant }: Stage): OpenRouterProvider {
  return createOpenRouter({ baseURL: server.apiBase, apiKey: tenant.key, compatibility: "strict" });
}

/** The SDK's own words, whoever the provider is. */
const finishes = { stop: "stop", calls: "tool-calls" };

export const aiSdkOpenAiChat: Client = {
  name: "ai, @ai-sdk/openai, chat",
  finishes,
  connect(stage) {
    const provider = makeOpenAiProvider(stage);
    // Of the usage it keeps what it knows.
    return connect(
      (model) => provider.chat(model),
      () => null,
    );
  },
};

export const aiSdkOpenAiResponses: Client = {
  name: "ai, @ai-sdk/openai, responses",
  finishes,
  connect(stage) {
    const provider = makeOpenAiProvider(stage);
    return connect((model) => provider.responses(model), costIn);
  },
};

export const aiSdkAnthropic: Client = {
  name: "ai, @ai-sdk/anthropic",
  finishes,
  connect({ server, tenant }) {
    const provider = createAnthropic({ baseURL: server.apiBase, apiKey: tenant.key });
    return connect((model) => provider(model), costIn);
  },
};

export const aiSdkOpenRouter: Client = {
  name: "ai, @openrouter/ai-sdk-provider",
  finishes,
  connect(stage) {
    const provider = makeOpenRouterProvider(stage);
    return connect((model) => provider(model), costIn);
  },
};

function connect(
  make: (model: string) => LanguageModel,
  costOf: (rawUsage: unknown) => number | null | undefined,
): Connected {
  /** Tools are run by the SDK itself, which goes on until the model answers. */
  const withTools = (model: string, seen: Call[]) => ({
    model: make(model),
    prompt: TOOLS.prompt,
    tools: toolsNoting(seen),
    stopWhen: isStepCount(3),
    maxRetries: 0,
  });
  return {
    async answer(model) {
      const answer = await generateText({ model: make(model), prompt: HELLO.prompt, maxRetries: 0 });
      return { text: answer.text, ...about(answer, costOf) };
    },
    async stream(model) {
      const answer = streamText({ model: make(model), prompt: HELLO.prompt, maxRetries: 0 });
      let text = "";
      let pieces = 0;
      for await (const piece of answer.textStream) {
        text += piece;
        pieces++;
      }
      const [finishReason, usage, response] = [await answer.finishReason, await answer.usage, await answer.response];
      return { text, pieces, ...about({ finishReason, usage, response }, costOf) };
    },
    async callTools(model) {
      const calls: Call[] = [];
      const { text, steps } = await generateText(withTools(model, calls));
      return { calls, finish: steps[0]?.finishReason, text };
    },
    async streamTools(model) {
      const calls: Call[] = [];
      const answer = streamText(withTools(model, calls));
      return { text: await answer.text, calls, finish: (await answer.steps)[0]?.finishReason };
    },
    async structure(model) {
      const output = Output.object({ schema: Person, name: "person" });
      return (await generateText({ model: make(model), prompt: PERSON.prompt, output, maxRetries: 0 })).output;
    },
    async see(model) {
      const content = [
        { type: "text" as const, text: PICTURE.prompt },
        { type: "file" as const, data: PICTURE.data, mediaType: PICTURE.mediaType },
      ];
      const messages = [{ role: "user" as const, content }];
      return (await generateText({ model: make(model), messages, maxRetries: 0 })).text;
    },
  };
}

function toolsNoting(seen: Call[]) {
  const entries = TOOL_SCHEMAS.map(({ name, schema }) => [
    name,
    tool({
      description: name,
      inputSchema: jsonSchema(schema),
      execute: (input) => {
        seen.push({ name, arguments: input });
        return resultOf(name, input);
      },
    }),
  ]);
  return Object.fromEntries(entries);
}

interface Said {
  readonly finishReason: string;
  readonly usage: {
    readonly inputTokens: number | undefined;
    readonly outputTokens: number | undefined;
    readonly raw?: unknown;
  };
  readonly response: { readonly id: string };
}

function about({ finishReason, usage, response }: Said, costOf: (rawUsage: unknown) => number | null | undefined) {
  return {
    id: response.id,
    finish: finishReason,
    usage: { prompt: usage.inputTokens, completion: usage.outputTokens },
    cost: costOf(usage.raw),
  };
}
