/** `@openrouter/sdk`: chat. It refuses any answer that its schemas, made from OpenRouter's OpenAPI file, don't take. */
import { OpenRouter } from "@openrouter/sdk";
import * as z from "zod";
import { HELLO, PERSON, PICTURE, TOOLS } from "../upstream-aimock.ts";
import { type Answer, type Client, type Connected, Person, resultOf, TOOL_SCHEMAS } from "./client.ts";
import { say, type Stage } from "./stage.ts";

type ChatRequest = Parameters<OpenRouter["chat"]["send"]>[0]["chatRequest"];
type Sent = Awaited<ReturnType<OpenRouter["chat"]["send"]>>;
export type Completion = Extract<Sent, { object: "chat.completion" }>;
export type Chunks = Exclude<Sent, Completion>;
type Choice = Completion["choices"][number];

export function makeOpenRouter(serverURL: string, apiKey: string): OpenRouter {
  return new OpenRouter({ apiKey, serverURL, retryConfig: { strategy: "none" }, timeoutMs: 60_000 });
}

export async function complete(client: OpenRouter, chatRequest: ChatRequest): Promise<Completion> {
  const answer = await client.chat.send({ chatRequest: { ...chatRequest, stream: false } });
  if (!("choices" in answer)) throw new Error("a stream was not asked for");
  return answer;
}

export async function stream(
  client: OpenRouter,
  chatRequest: ChatRequest,
  signal: AbortSignal | null = null,
): Promise<Chunks> {
  const answer = await client.chat.send({ chatRequest: { ...chatRequest, stream: true } }, { signal });
  if ("choices" in answer) throw new Error("a stream was asked for");
  return answer;
}

const tools = TOOL_SCHEMAS.map(({ name, schema }) => ({
  type: "function" as const,
  function: { name, parameters: schema },
}));

export const openRouterSdk: Client = {
  name: "@openrouter/sdk",
  finishes: { stop: "stop", calls: "tool_calls" },
  connect,
};

function connect({ server, tenant }: Stage): Connected {
  const client = makeOpenRouter(server.apiBase, tenant.key);
  const answerOf = ({ id, choices: [choice], usage }: Completion): Answer => ({
    id,
    text: textOf(choice),
    finish: choice?.finishReason ?? undefined,
    usage: { prompt: usage?.promptTokens, completion: usage?.completionTokens },
    cost: usage?.cost ?? undefined,
  });
  const goOn = async (model: string, calls: readonly RawCall[], finish: string | undefined) => {
    const made = calls.map(({ id, name, text }) => ({ id, name, arguments: JSON.parse(text) as unknown }));
    const answer = await complete(client, {
      model,
      tools,
      messages: [
        ...say(TOOLS.prompt),
        {
          role: "assistant",
          content: null,
          toolCalls: calls.map(({ id, name, text }) => ({ id, type: "function", function: { name, arguments: text } })),
        },
        ...made.map((call) => ({
          role: "tool" as const,
          toolCallId: call.id,
          content: resultOf(call.name, call.arguments),
        })),
      ],
    });
    return {
      calls: made.map(({ name, arguments: input }) => ({ name, arguments: input })),
      finish,
      text: answerOf(answer).text,
    };
  };
  return {
    answer: async (model) => answerOf(await complete(client, { model, messages: say(HELLO.prompt) })),
    stream: (model) => readText(client, model),
    async callTools(model) {
      const asked = await complete(client, { model, messages: say(TOOLS.prompt), tools, parallelToolCalls: true });
      const calls = asked.choices[0]?.message.toolCalls ?? [];
      const made = calls.map(({ id, function: call }) => ({ id, name: call.name, text: call.arguments }));
      return goOn(model, made, answerOf(asked).finish);
    },
    async streamTools(model) {
      const { calls, finish } = await readCalls(client, model);
      return goOn(model, calls, finish);
    },
    async structure(model) {
      const schema = z.toJSONSchema(Person);
      const answer = await complete(client, {
        model,
        messages: say(PERSON.prompt),
        responseFormat: { type: "json_schema", jsonSchema: { name: "person", strict: true, schema } },
      });
      return JSON.parse(answerOf(answer).text) as unknown;
    },
    async see(model) {
      const content = [
        { type: "text" as const, text: PICTURE.prompt },
        { type: "image_url" as const, imageUrl: { url: PICTURE.url, detail: "low" as const } },
      ];
      return answerOf(await complete(client, { model, messages: [{ role: "user", content }] })).text;
    },
  };
}

/** A call whose arguments are still text. */
interface RawCall {
  readonly id: string;
  readonly name: string;
  readonly text: string;
}

async function readText(client: OpenRouter, model: string): Promise<Answer & { pieces: number }> {
  let [text, pieces, id] = ["", 0, ""];
  let finish: string | undefined;
  let usage: Completion["usage"];
  for await (const chunk of await stream(client, { model, messages: say(HELLO.prompt) })) {
    const [choice] = chunk.choices;
    id = chunk.id;
    text += choice?.delta.content ?? "";
    if (choice?.delta.content) pieces++;
    finish = choice?.finishReason ?? finish;
    usage = chunk.usage ?? usage;
  }
  const counts = { prompt: usage?.promptTokens, completion: usage?.completionTokens };
  return { id, text, pieces, finish, usage: counts, cost: usage?.cost ?? undefined };
}

/** Puts calls together by their index alone. */
async function readCalls(client: OpenRouter, model: string): Promise<{ calls: RawCall[]; finish: string | undefined }> {
  const calls: { id: string; name: string; text: string }[] = [];
  let finish: string | undefined;
  for await (const chunk of await stream(client, { model, messages: say(TOOLS.prompt), tools })) {
    finish = chunk.choices[0]?.finishReason ?? finish;
    for (const { index, id, function: made } of chunk.choices[0]?.delta.toolCalls ?? []) {
      const call = (calls[index] ??= { id: "", name: "", text: "" });
      call.id += id ?? "";
      call.name += made?.name ?? "";
      call.text += made?.arguments ?? "";
    }
  }
  return { calls, finish };
}

function textOf(choice: Choice | undefined): string {
  const content: unknown = choice?.message.content;
  return typeof content === "string" ? content : "";
}
