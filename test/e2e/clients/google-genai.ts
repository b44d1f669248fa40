/** `@google/genai`: generateContent and its chats. */
import { type GenerateContentResponse, GoogleGenAI, type Part } from "@google/genai";
import * as z from "zod";
import { HELLO, PERSON, PICTURE, TOOLS } from "../upstream-aimock.ts";
import { type Client, type Connected, costIn, Person, resultOf, TOOL_SCHEMAS } from "./client.ts";
import type { Stage } from "./stage.ts";

export function makeGoogleGenAi({ server, tenant }: Stage): GoogleGenAI {
  return new GoogleGenAI({ apiKey: tenant.key, httpOptions: { baseUrl: `${server.url}/api`, timeout: 60_000 } });
}

export const callConfig = {
  tools: [{ functionDeclarations: TOOL_SCHEMAS.map(({ name, schema }) => ({ name, parametersJsonSchema: schema })) }],
};

export const googleGenAi: Client = {
  name: "@google/genai",
  // The format has no word of its own for a turn that calls.
  finishes: { stop: "STOP", calls: "STOP" },
  connect,
};

function connect(stage: Stage): Connected {
  const { models, chats } = makeGoogleGenAi(stage);
  const answerOf = ({ responseId, text, candidates, usageMetadata: usage }: GenerateContentResponse) => ({
    id: responseId ?? "",
    text: text ?? "",
    finish: candidates?.[0]?.finishReason,
    usage: { prompt: usage?.promptTokenCount, completion: usage?.candidatesTokenCount },
    cost: costIn(usage),
  });
  /** What a chat's next message says about the calls of the one before. */
  const respond = (calls: NonNullable<GenerateContentResponse["functionCalls"]>): Part[] =>
    calls.map(({ id = "", name = "", args }) => ({
      functionResponse: { id, name, response: { output: resultOf(name, args) } },
    }));
  return {
    answer: async (model) => answerOf(await models.generateContent({ model, contents: HELLO.prompt })),
    async stream(model) {
      let text = "";
      let pieces = 0;
      let last: GenerateContentResponse | undefined;
      for await (const chunk of await models.generateContentStream({ model, contents: HELLO.prompt })) {
        if (chunk.text) pieces++;
        text += chunk.text ?? "";
        last = chunk;
      }
      if (last === undefined) throw new Error("an empty stream");
      return { ...answerOf(last), text, pieces };
    },
    async callTools(model) {
      const chat = chats.create({ model, config: callConfig });
      const asked = await chat.sendMessage({ message: TOOLS.prompt });
      const calls = asked.functionCalls ?? [];
      const answer = await chat.sendMessage({ message: respond(calls) });
      return {
        calls: calls.map(({ name = "", args }) => ({ name, arguments: args })),
        finish: answerOf(asked).finish,
        text: answerOf(answer).text,
      };
    },
    async streamTools(model) {
      const chat = chats.create({ model, config: callConfig });
      const calls = [];
      let finish: string | undefined;
      for await (const chunk of await chat.sendMessageStream({ message: TOOLS.prompt })) {
        calls.push(...(chunk.functionCalls ?? []));
        finish = answerOf(chunk).finish ?? finish;
      }
      let text = "";
      for await (const chunk of await chat.sendMessageStream({ message: respond(calls) })) text += chunk.text ?? "";
      return { calls: calls.map(({ name = "", args }) => ({ name, arguments: args })), finish, text };
    },
    async structure(model) {
      const form = { responseMimeType: "application/json", responseJsonSchema: z.toJSONSchema(Person) };
      const answer = await models.generateContent({ model, contents: PERSON.prompt, config: form });
      return JSON.parse(answer.text ?? "") as unknown;
    },
    async see(model) {
      const inlineData = { mimeType: PICTURE.mediaType, data: PICTURE.data };
      const contents = [{ role: "user", parts: [{ text: PICTURE.prompt }, { inlineData }] }];
      return answerOf(await models.generateContent({ model, contents })).text;
    },
  };
}
