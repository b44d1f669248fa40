/** The `openai` package: chat completions and Responses. */
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { HELLO, PERSON, PICTURE, TOOLS } from "../upstream-aimock.ts";
import { type Call, type Client, type Connected, costIn, Person, resultOf, TOOL_SCHEMAS } from "./client.ts";
import { say, type Stage } from "./stage.ts";

type Completion = OpenAI.ChatCompletion;
type Response = OpenAI.Responses.Response;

export function makeOpenAi({ server, tenant }: Stage): OpenAI {
  return new OpenAI({ baseURL: server.apiBase, apiKey: tenant.key, maxRetries: 0, timeout: 60_000 });
}

const chatTools = TOOL_SCHEMAS.map(({ name, schema }) => ({
  type: "function" as const,
  function: { name, parameters: schema },
}));

export const openAiChat: Client = {
  name: "openai, chat",
  finishes: { stop: "stop", calls: "tool_calls" },
  connect: connectChat,
};

function connectChat(stage: Stage): Connected {
  const { completions } = makeOpenAi(stage).chat;
  const answerOf = ({ id, choices: [choice], usage }: Completion) => ({
    id,
    text: choice?.message.content ?? "",
    finish: choice?.finish_reason,
    usage: { prompt: usage?.prompt_tokens, completion: usage?.completion_tokens },
    cost: costIn(usage),
  });
  const goOn = async (model: string, { choices: [choice] }: Completion) => {
    if (choice === undefined) throw new Error("no choice");
    const calls = (choice.message.tool_calls ?? []).filter((call) => call.type === "function");
    const made = calls.map(({ id, function: { name, arguments: said } }) => ({ id, name, arguments: parse(said) }));
    const results = made.map((call) => ({
      role: "tool" as const,
      tool_call_id: call.id,
      content: resultOf(call.name, call.arguments),
    }));
    const messages = [...say(TOOLS.prompt), choice.message, ...results];
    const { text } = answerOf(await completions.create({ model, tools: chatTools, messages }));
    return { calls: made.map(toCall), finish: choice.finish_reason, text };
  };
  return {
    answer: async (model) => answerOf(await completions.create({ model, messages: say(HELLO.prompt) })),
    async stream(model) {
      const stream = completions.stream({
        model,
        messages: say(HELLO.prompt),
        stream_options: { include_usage: true },
      });
      let pieces = 0;
      stream.on("content", () => pieces++);
      return { ...answerOf(await stream.finalChatCompletion()), pieces };
    },
    callTools: async (model) =>
      goOn(model, await completions.create({ model, messages: say(TOOLS.prompt), tools: chatTools })),
    async streamTools(model) {
      const stream = completions.stream({ model, messages: say(TOOLS.prompt), tools: chatTools });
      return goOn(model, await stream.finalChatCompletion());
    },
    async structure(model) {
      const format = zodResponseFormat(Person, "person");
      const answer = await completions.parse({ model, messages: say(PERSON.prompt), response_format: format });
      return answer.choices[0]?.message.parsed;
    },
    async see(model) {
      const content = [
        { type: "text" as const, text: PICTURE.prompt },
        { type: "image_url" as const, image_url: { url: PICTURE.url, detail: "low" as const } },
      ];
      return answerOf(await completions.create({ model, messages: [{ role: "user", content }] })).text;
    },
  };
}

const responseTools = TOOL_SCHEMAS.map(({ name, schema }) => ({
  type: "function" as const,
  name,
  parameters: schema,
  strict: false,
}));

export const openAiResponses: Client = {
  name: "openai, responses",
  finishes: { stop: "completed", calls: "completed" },
  connect: connectResponses,
};

function connectResponses(stage: Stage): Connected {
  const { responses } = makeOpenAi(stage);
  const answerOf = ({ id, output_text: text, status, usage }: Response) => ({
    id,
    text,
    finish: status,
    usage: { prompt: usage?.input_tokens, completion: usage?.output_tokens },
    cost: costIn(usage),
  });
  const goOn = async (model: string, { output, status }: Response) => {
    const made = output
      .filter((item) => item.type === "function_call")
      .map(({ call_id, name, arguments: said }) => ({ id: call_id, name, arguments: parse(said) }));
    const results = made.map((call) => ({
      type: "function_call_output" as const,
      call_id: call.id,
      output: resultOf(call.name, call.arguments),
    }));
    // What was answered is what is sent back; the client's types tell the two apart.
    const items = output as OpenAI.Responses.ResponseInputItem[];
    const input = [...say(TOOLS.prompt), ...items, ...results];
    const { output_text: text } = await responses.create({ model, tools: responseTools, input });
    return { calls: made.map(toCall), finish: status, text };
  };
  return {
    answer: async (model) => answerOf(await responses.create({ model, input: HELLO.prompt, store: false })),
    async stream(model) {
      const stream = responses.stream({ model, input: HELLO.prompt });
      let pieces = 0;
      stream.on("response.output_text.delta", () => pieces++);
      return { ...answerOf(await stream.finalResponse()), pieces };
    },
    callTools: async (model) =>
      goOn(model, await responses.create({ model, input: say(TOOLS.prompt), tools: responseTools })),
    async streamTools(model) {
      const stream = responses.stream({ model, input: say(TOOLS.prompt), tools: responseTools });
      return goOn(model, await stream.finalResponse());
    },
    async structure(model) {
      const text = { format: zodTextFormat(Person, "person") };
      return (await responses.parse({ model, input: PERSON.prompt, text })).output_parsed;
    },
    async see(model) {
      const content = [
        { type: "input_text" as const, text: PICTURE.prompt },
        { type: "input_image" as const, image_url: PICTURE.url, detail: "low" as const },
      ];
      return (await responses.create({ model, input: [{ role: "user", content }] })).output_text;
    },
  };
}

function parse(text: string): unknown {
  return JSON.parse(text);
}

function toCall({ name, arguments: input }: Call): Call {
  return { name, arguments: input };
}
