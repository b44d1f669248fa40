/** Adapters against a third-party mock of their APIs on loopback, buffered and streamed. */
import { LLMock } from "@copilotkit/aimock";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatRequest, Message } from "../../../src/core/chat.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import { createEventStreamSplitter } from "../../../src/core/event-stream.ts";
import { createSseSplitter } from "../../../src/core/sse.ts";
import type { Adapter, Target } from "../../../src/providers/adapter.ts";
import { anthropic } from "../../../src/providers/anthropic.ts";
import { bedrock } from "../../../src/providers/bedrock.ts";
import { cohere } from "../../../src/providers/cohere.ts";
import { gemini } from "../../../src/providers/gemini.ts";
import { openAiResponses } from "../../../src/providers/openai-responses.ts";

const WEATHER = { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } };
const USAGE = { prompt_tokens: 11, completion_tokens: 7 };
const mock = new LLMock({ port: 0, chunkSize: 4 });

beforeAll(async () => {
  mock.onToolResult("call_rome", { content: "Both are fine.", usage: USAGE });
  mock.onMessage("say hello", { content: "Hello from the mock.", reasoning: "A greeting.", usage: USAGE });
  mock.onMessage("weather", {
    toolCalls: [
      { id: "call_paris", name: "get_weather", arguments: '{"city":"Paris"}' },
      { id: "call_rome", name: "get_weather", arguments: "{}" },
    ],
    usage: USAGE,
  });
  mock.onMessage("fail", { error: { message: "too many", type: "rate_limit_error" }, status: 429 });
  await mock.start();
});
afterAll(() => mock.stop());

const ADAPTERS = [
  { name: "anthropic", adapter: anthropic, base: "/v1", model: "claude-sonnet-4-5-20250929" },
  { name: "bedrock", adapter: bedrock, base: "", model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0" },
  { name: "cohere", adapter: cohere, base: "", model: "command-a-reasoning-08-2025" },
  { name: "gemini", adapter: gemini, base: "/v1beta", model: "gemini-2.5-flash" },
  { name: "openai-responses", adapter: openAiResponses, base: "/v1", model: "gpt-5-mini" },
].flatMap((one) => [
  { ...one, stream: true, how: "streamed" },
  { ...one, stream: false, how: "buffered" },
]);

function targetOf(base: string, model: string): Target {
  return {
    provider: asProviderId("mock"),
    upstreamModel: model,
    baseUrl: mock.url + base,
    credential: "test-credential-0123456789",
    supportedParameters: ["tools", "tool_choice", "reasoning"],
    maxCompletionTokens: null,
    quirks: {},
    userHash: null,
  };
}

const user = (text: string): Message => ({ role: "user", parts: [{ type: "text", text }] });

async function ask(adapter: Adapter, request: ChatRequest, target: Target): Promise<GenerationEvent[]> {
  const encoded = adapter.encode(request, target);
  if (!encoded.ok) throw new Error(encoded.error);
  const { url, headers, body } = encoded.value;
  const response = await fetch(url, { method: "POST", headers, body });
  if (!response.ok) {
    const failed = { status: response.status, headers: response.headers, body: await response.text() };
    return [{ type: "error", failure: adapter.classifyFailure(failed, target, 0) }];
  }
  if (!request.stream) return adapter.decodeReply(await response.json(), request, target);
  const splitter = adapter.framing === "event-stream" ? createEventStreamSplitter() : createSseSplitter();
  const decoder = adapter.createDecoder(request, target);
  const frames = [...splitter.feed(new Uint8Array(await response.arrayBuffer())), ...splitter.end()];
  return [...frames.flatMap((frame) => decoder.feed(frame)), ...decoder.end()];
}

describe.each(ADAPTERS)("$name, $how", ({ name, adapter, base, model, stream }) => {
  const requestOf = (...messages: readonly Message[]): ChatRequest => ({
    messages,
    stream,
    sampling: {},
    maxOutputTokens: 500,
    stop: [],
    tools: [WEATHER],
    extra: {},
  });

  test("a text with reasoning is read whole, and counted", async () => {
    const events = await ask(adapter, requestOf(user("say hello")), targetOf(base, model));
    const text = events.map((event) => (event.type === "text-delta" ? event.text : "")).join("");
    const reasoning = events
      .map((event) => (event.type === "reasoning-delta" ? (event.detail.text ?? event.detail.summary ?? "") : ""))
      .join("");
    // The mock gives Cohere's thinking as one more block of text; recorded answers have it in its own.
    expect({ text, reasoning }).toEqual(
      name === "cohere"
        ? { text: "A greeting.Hello from the mock.", reasoning: "" }
        : { text: "Hello from the mock.", reasoning: "A greeting." },
    );
    expect(events.findLast((event) => event.type === "usage")).toMatchObject({
      usage: { inputText: 11, outputText: 7 },
    });
    expect(events.findLast((event) => event.type !== "usage")).toMatchObject({ type: "finish", reason: "stop" });
  });

  test("parallel tool calls are read whole, and their results are understood", async () => {
    const question = user("weather in Paris and Rome");
    const events = await ask(adapter, requestOf(question), targetOf(base, model));
    const toolCalls = events.flatMap((event) =>
      event.type === "tool-start"
        ? [
            {
              id: event.id,
              name: event.name,
              input: events
                .map((piece) => (piece.type === "tool-input-delta" && piece.index === event.index ? piece.text : ""))
                .join(""),
            },
          ]
        : [],
    );
    expect(toolCalls).toEqual([
      { id: "call_paris", name: "get_weather", input: '{"city":"Paris"}' },
      { id: "call_rome", name: "get_weather", input: "{}" },
    ]);
    expect(events.findLast((event) => event.type !== "usage")).toMatchObject({ type: "finish", reason: "tool_calls" });
    const results = toolCalls.map(({ id }): Message => ({
      role: "tool",
      toolCallId: id,
      parts: [{ type: "text", text: "18" }],
    }));
    const answer: Message = { role: "assistant", parts: [], toolCalls, reasoning: [] };
    const second = await ask(adapter, requestOf(question, answer, ...results), targetOf(base, model));
    expect(second.map((event) => (event.type === "text-delta" ? event.text : "")).join("")).toBe("Both are fine.");
  });

  test("a refusal for capacity is told as such", async () => {
    const [event] = await ask(adapter, requestOf(user("fail")), targetOf(base, model));
    expect(event).toMatchObject({ type: "error", failure: { scope: "capacity", status: 429 } });
  });
});
