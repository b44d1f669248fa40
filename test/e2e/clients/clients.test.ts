/**
 * Real clients against one real server: every client x what its users do x a model behind each wire format. A cell is
 * proved by what the client understood, by what the provider was sent in its own format, and by the books. What only one
 * client does is beside it, in the `-own.ts` files, on the same server. The table is printed at the end.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HELLO, MODELS, PERSON, PICTURE, TOOLS, USAGE } from "../upstream-aimock.ts";
import { aiSdkAnthropic, aiSdkOpenAiChat, aiSdkOpenAiResponses, aiSdkOpenRouter } from "./ai-sdk.ts";
import { anthropicMessages } from "./anthropic.ts";
import { type Answer, type Client, RESULTS, type ToolTurns } from "./client.ts";
import { googleGenAi } from "./google-genai.ts";
import { langChainOpenAi, langChainOpenRouter, langChainResponses } from "./langchain.ts";
import { openAiChat, openAiResponses } from "./openai.ts";
import { openRouterSdk } from "./openrouter-sdk.ts";
import { sharedStage, type Stage } from "./stage.ts";
import { readSent, type Sent } from "./wire.ts";
import "./ai-sdk-own.ts";
import "./anthropic-own.ts";
import "./google-genai-own.ts";
import "./langchain-own.ts";
import "./openai-own.ts";
import "./openrouter-sdk-own.ts";

const CLIENTS: readonly Client[] = [
  openAiChat,
  openAiResponses,
  anthropicMessages,
  googleGenAi,
  openRouterSdk,
  langChainOpenAi,
  langChainResponses,
  langChainOpenRouter,
  aiSdkOpenAiChat,
  aiSdkOpenAiResponses,
  aiSdkAnthropic,
  aiSdkOpenRouter,
];

const [, ANTHROPIC] = MODELS;

let stage: Stage;
beforeAll(async () => {
  stage = await sharedStage();
});
afterAll(() => stage?.close());

/** What the provider was sent last. */
function sent(): Sent {
  const last = stage.upstream.recorded().at(-1);
  if (last === undefined) throw new Error("nothing was sent");
  return readSent(last);
}

async function proveAnswer(client: Client, model: string, answer: Answer, streamed: boolean): Promise<void> {
  expect(answer).toMatchObject({ text: HELLO.text, finish: client.finishes.stop, usage: USAGE });
  const record = await stage.generation(answer.id);
  expect(record).toMatchObject({
    streamed,
    cancelled: false,
    estimated: false,
    native_tokens_prompt: USAGE.prompt,
    native_tokens_completion: USAGE.completion,
  });
  expect(record.total_cost).toBeCloseTo(await stage.listedCost(model), 9);
  expect(answer.cost).toBe(answer.cost === null ? null : record.total_cost);
}

function proveTools(client: Client, turns: ToolTurns): void {
  expect(turns).toEqual({ calls: TOOLS.calls, finish: client.finishes.calls, text: TOOLS.text });
  expect(sent().results).toEqual(TOOLS.calls.map((call, at) => ({ ...call, result: RESULTS[at] })));
}

const CELLS: Readonly<Record<string, (client: Client, model: string) => Promise<void>>> = {
  text: async (client, model) => proveAnswer(client, model, await client.connect(stage).answer(model), false),
  stream: async (client, model) => {
    const { pieces, ...answer } = await client.connect(stage).stream(model);
    expect(pieces).toBeGreaterThan(2);
    await proveAnswer(client, model, answer, true);
  },
  tools: async (client, model) => proveTools(client, await client.connect(stage).callTools(model)),
  "streamed tools": async (client, model) => proveTools(client, await client.connect(stage).streamTools(model)),
  structure: async (client, model) => {
    expect(await client.connect(stage).structure(model)).toEqual(PERSON.value);
    expect(sent().schema).toMatchObject({
      type: "object",
      properties: { name: { type: "string" }, age: { type: "integer" } },
      required: ["name", "age"],
      additionalProperties: false,
    });
    // What zod writes for any integer: Anthropic refuses a schema for it.
    if (model === ANTHROPIC) expect(JSON.stringify(sent().schema)).not.toMatch(/"(minimum|maximum|\$schema)"/);
  },
  image: async (client, model) => {
    expect(await client.connect(stage).see(model)).toBe(PICTURE.seen);
    expect(sent().pictures).toEqual([{ mediaType: PICTURE.mediaType, data: PICTURE.data }]);
  },
};

const marks = new Map<string, number>();

describe.each(CLIENTS)("$name", (client) => {
  describe.each(Object.entries(CELLS))("%s", (feature, prove) => {
    test.each(MODELS)("%s", async (model) => {
      await prove(client, model);
      const cell = `${client.name}: ${feature}`;
      marks.set(cell, (marks.get(cell) ?? 0) + 1);
    });
  });
});

afterAll(() => {
  const width = Math.max(...CLIENTS.map(({ name }) => name.length)) + 2;
  const heads = Object.keys(CELLS);
  const lines = CLIENTS.map(({ name }) => {
    const row = heads.map((head) => `${marks.get(`${name}: ${head}`) ?? 0}/${MODELS.length}`.padEnd(head.length));
    return `${name.padEnd(width)}${row.join("  ")}`.trimEnd();
  });
  process.stdout.write(`${["", " ".repeat(width) + heads.join("  "), ...lines, ""].join("\n")}\n`);
});
