/** LangChain: `@langchain/openai` by both of its APIs, and `@langchain/openrouter`. */
import { type AIMessage, type AIMessageChunk, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { ChatOpenRouter } from "@langchain/openrouter";
import { HELLO, PERSON, PICTURE, TOOLS } from "../upstream-aimock.ts";
import { type Client, type Connected, costIn, Person, resultOf, TOOL_SCHEMAS } from "./client.ts";
import type { Stage } from "./stage.ts";

type Chat = ChatOpenAI | ChatOpenRouter;

export function makeChatOpenAi({ server, tenant }: Stage, model: string, useResponsesApi = false): ChatOpenAI {
  const configuration = { baseURL: server.apiBase };
  return new ChatOpenAI({ model, apiKey: tenant.key, configuration, maxRetries: 0, timeout: 60_000, useResponsesApi });
}

export function makeChatOpenRouter({ server, tenant }: Stage, model: string): ChatOpenRouter {
  return new ChatOpenRouter({ model, apiKey: tenant.key, baseURL: server.apiBase, maxRetries: 0 });
}

const chatFinishes = { stop: "stop", calls: "tool_calls" };

export const langChainOpenAi: Client = {
  name: "@langchain/openai, chat",
  finishes: chatFinishes,
  connect: (stage) => connect((model) => makeChatOpenAi(stage, model), costOf),
};

export const langChainResponses: Client = {
  name: "@langchain/openai, responses",
  finishes: { stop: "completed", calls: "completed" },
  connect: (stage) =>
    connect(
      (model) => makeChatOpenAi(stage, model, true),
      (message) => costOf(message) ?? null,
    ),
};

export const langChainOpenRouter: Client = {
  name: "@langchain/openrouter",
  finishes: chatFinishes,
  connect: (stage) => connect((model) => makeChatOpenRouter(stage, model), costOf),
};

const tools = TOOL_SCHEMAS.map(({ name, schema }) =>
  tool((input: unknown) => resultOf(name, input), { name, description: name, schema }),
);

/** What the messages of LangChain's models have in common, whole or put together. */
interface Said extends Pick<AIMessage, "id" | "text" | "response_metadata" | "tool_calls"> {
  readonly usage_metadata?: { readonly input_tokens: number; readonly output_tokens: number } | undefined;
}

function connect(make: (model: string) => Chat, costOfSaid: (said: Said) => number | null | undefined): Connected {
  const asked = new HumanMessage(TOOLS.prompt);
  const goOn = async (model: string, said: AIMessage) => {
    const calls = said.tool_calls ?? [];
    const results = calls.map(async (call): Promise<ToolMessage> => {
      // A whole call makes a tool answer with a whole message.
      const result: unknown = await tools
        .find((known) => known.name === call.name)
        ?.invoke({ ...call, type: "tool_call" });
      if (!ToolMessage.isInstance(result)) throw new Error(`${call.name} gave no message`);
      return result;
    });
    const answer = await make(model)
      .bindTools(tools)
      .invoke([asked, said, ...(await Promise.all(results))]);
    return {
      calls: calls.map((call) => ({ name: call.name, arguments: call.args })),
      finish: finishOf(said),
      text: answer.text,
    };
  };
  const answerOf = (said: Said) => ({
    id: said.id ?? "",
    text: said.text,
    finish: finishOf(said),
    usage: { prompt: said.usage_metadata?.input_tokens, completion: said.usage_metadata?.output_tokens },
    cost: costOfSaid(said),
  });
  return {
    answer: async (model) => answerOf(await make(model).invoke(HELLO.prompt)),
    async stream(model) {
      const { message, pieces } = await gather(await make(model).stream(HELLO.prompt));
      return { ...answerOf(message), pieces };
    },
    callTools: async (model) => goOn(model, await make(model).bindTools(tools).invoke([asked])),
    streamTools: async (model) =>
      goOn(model, (await gather(await make(model).bindTools(tools).stream([asked]))).message),
    structure: (model) => make(model).withStructuredOutput(Person, { name: "person" }).invoke(PERSON.prompt),
    async see(model) {
      const contentBlocks = [
        { type: "text" as const, text: PICTURE.prompt },
        { type: "image" as const, mimeType: PICTURE.mediaType, data: PICTURE.data },
      ];
      return (await make(model).invoke([new HumanMessage({ contentBlocks })])).text;
    },
  };
}

async function gather(stream: AsyncIterable<AIMessageChunk>): Promise<{ message: AIMessageChunk; pieces: number }> {
  let message: AIMessageChunk | undefined;
  let pieces = 0;
  for await (const chunk of stream) {
    if (chunk.text !== "") pieces++;
    message = message === undefined ? chunk : message.concat(chunk);
  }
  if (message === undefined) throw new Error("an empty stream");
  return { message, pieces };
}

function costOf({ response_metadata: metadata }: Said): number | undefined {
  return costIn(metadata["usage"]);
}

/** Chat completions say `finish_reason`, Responses `status`. */
function finishOf({ response_metadata: metadata }: Said): string | undefined {
  return (metadata["finish_reason"] ?? metadata["status"]) as string | undefined; // from the API
}
