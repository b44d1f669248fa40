/** `@anthropic-ai/sdk`: Messages. */
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { HELLO, PERSON, PICTURE, TOOLS } from "../upstream-aimock.ts";
import { type Client, type Connected, costIn, Person, resultOf, TOOL_SCHEMAS } from "./client.ts";
import { say, type Stage } from "./stage.ts";

/** Longer than any answer of the double. */
const max_tokens = 500;

export function makeAnthropic({ server, tenant }: Stage): Anthropic {
  return new Anthropic({ baseURL: `${server.url}/api`, apiKey: tenant.key, maxRetries: 0, timeout: 60_000 });
}

const tools = TOOL_SCHEMAS.map(({ name, schema }) => ({ name, input_schema: schema }));

export const anthropicMessages: Client = {
  name: "@anthropic-ai/sdk",
  finishes: { stop: "end_turn", calls: "tool_use" },
  connect,
};

function connect(stage: Stage): Connected {
  const { messages } = makeAnthropic(stage);
  const answerOf = ({ id, content, stop_reason: finish, usage }: Anthropic.Message) => ({
    id,
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    finish: finish ?? undefined,
    usage: { prompt: usage.input_tokens, completion: usage.output_tokens },
    cost: costIn(usage),
  });
  const goOn = async (model: string, asked: Anthropic.Message) => {
    const made = asked.content.filter((block) => block.type === "tool_use");
    const content = made.map(({ id, name, input }, at) => ({
      type: "tool_result" as const,
      tool_use_id: id,
      // A text is the same as one block of it.
      content: at === 0 ? [{ type: "text" as const, text: resultOf(name, input) }] : resultOf(name, input),
    }));
    const answer = await messages.create({
      model,
      max_tokens,
      tools,
      messages: [...say(TOOLS.prompt), { role: "assistant", content: asked.content }, { role: "user", content }],
    });
    const calls = made.map(({ name, input }) => ({ name, arguments: input }));
    return { calls, finish: asked.stop_reason ?? undefined, text: answerOf(answer).text };
  };
  return {
    answer: async (model) => answerOf(await messages.create({ model, max_tokens, messages: say(HELLO.prompt) })),
    async stream(model) {
      const stream = messages.stream({ model, max_tokens, messages: say(HELLO.prompt) });
      let pieces = 0;
      let cost: number | undefined;
      stream.on("text", () => pieces++);
      // The message that it puts together has the counts alone.
      stream.on("streamEvent", (event) => {
        if (event.type === "message_delta") cost = costIn(event.usage);
      });
      return { ...answerOf(await stream.finalMessage()), pieces, cost };
    },
    callTools: async (model) =>
      goOn(model, await messages.create({ model, max_tokens, messages: say(TOOLS.prompt), tools })),
    streamTools: async (model) =>
      goOn(model, await messages.stream({ model, max_tokens, messages: say(TOOLS.prompt), tools }).finalMessage()),
    async structure(model) {
      const output_config = { format: zodOutputFormat(Person) };
      return (await messages.parse({ model, max_tokens, messages: say(PERSON.prompt), output_config })).parsed_output;
    },
    async see(model) {
      const source = { type: "base64" as const, media_type: PICTURE.mediaType, data: PICTURE.data };
      const content = [
        { type: "text" as const, text: PICTURE.prompt },
        { type: "image" as const, source },
      ];
      return answerOf(await messages.create({ model, max_tokens, messages: [{ role: "user", content }] })).text;
    },
  };
}
