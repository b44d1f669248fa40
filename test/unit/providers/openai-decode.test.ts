import { describe, expect, test } from "vitest";
import { createCollector } from "../../../src/core/collect.ts";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { createOpenAiDecoder, decodeOpenAiReply } from "../../../src/providers/openai-decode.ts";

const request: ChatRequest = {
  messages: [{ role: "user", parts: [{ type: "text", text: "Hi" }] }],
  stream: true,
  sampling: {},
  stop: [],
  tools: [],
  extra: {},
};
const targetWith = (quirks: JsonObject): Target => ({
  provider: asProviderId("p"),
  upstreamModel: "m",
  baseUrl: "https://p.example/v1",
  credential: "my-own-credential",
  supportedParameters: [],
  maxCompletionTokens: null,
  quirks,
  userHash: null,
});
const DONE = "[DONE]";

function stream(frames: readonly unknown[], quirks: JsonObject = {}): GenerationEvent[] {
  const decoder = createOpenAiDecoder(request, targetWith(quirks));
  const events = frames.flatMap((frame) =>
    decoder.feed({ event: "", data: typeof frame === "string" ? frame : JSON.stringify(frame) }),
  );
  return [...events, ...decoder.end()];
}
const reply = (body: unknown, quirks: JsonObject = {}): GenerationEvent[] =>
  decodeOpenAiReply(body, { ...request, stream: false }, targetWith(quirks));
const delta = (value: object, finish: string | null = null, index = 0): object => ({
  id: "u1",
  choices: [{ index, delta: value, finish_reason: finish }],
});
const tools = (...calls: readonly object[]): object => delta({ tool_calls: calls });
const collect = (events: readonly GenerationEvent[]) => {
  const collector = createCollector();
  collector.add(events);
  return collector.result();
};
const types = (events: readonly GenerationEvent[]): string[] => events.map((event) => event.type);
const callsOf = (events: readonly GenerationEvent[]) => collect(events).choices[0]?.toolCalls;
const failureOf = (events: readonly GenerationEvent[]) => collect(events).failure;

const part = (index: number | undefined, id: string | undefined, name: string | undefined, input: unknown): object => ({
  index,
  id,
  type: "function",
  function: { name, arguments: input },
});

describe("tool calls", () => {
  test.each([
    {
      name: "interleaved pieces",
      frames: [
        tools(part(0, "a", "f", '{"x"'), part(1, "b", "g", "{")),
        tools(part(1, undefined, undefined, "}")),
        tools(part(0, undefined, undefined, ":1}")),
      ],
      expected: [
        { id: "a", name: "f", input: '{"x":1}' },
        { id: "b", name: "g", input: "{}" },
      ],
    },
    {
      name: "index 0 for every call, with ids",
      frames: [tools(part(0, "a", "f", '{"x":1}')), tools(part(0, "b", "f", '{"x":2}'))],
      expected: [
        { id: "a", name: "f", input: '{"x":1}' },
        { id: "b", name: "f", input: '{"x":2}' },
      ],
    },
    {
      name: "index 0 for every call, without ids",
      frames: [tools(part(0, undefined, "f", '{"x":1}')), tools(part(0, undefined, "g", "{}"))],
      expected: [
        { id: "call_0_u1", name: "f", input: '{"x":1}' },
        { id: "call_1_u1", name: "g", input: "{}" },
      ],
    },
    {
      name: "one id for all calls",
      frames: [tools(part(0, "same", "f", "{}"), part(1, "same", "g", "{}"))],
      expected: [
        { id: "same", name: "f", input: "{}" },
        { id: "call_1_u1", name: "g", input: "{}" },
      ],
    },
    {
      name: "one id for all whole calls without an index",
      frames: [tools(part(undefined, "same", "f", '{"x":1}')), tools(part(undefined, "same", "f", '{"x":2}'))],
      expected: [
        { id: "same", name: "f", input: '{"x":1}' },
        { id: "call_1_u1", name: "f", input: '{"x":2}' },
      ],
    },
    {
      name: "a new id for every piece of a call",
      frames: [
        tools(part(0, "a", "f", '{"x"')),
        tools(part(0, "b", undefined, ":1")),
        tools(part(0, "c", undefined, "}")),
      ],
      expected: [{ id: "a", name: "f", input: '{"x":1}' }],
    },
    {
      name: "the id and the name again with every piece",
      frames: [tools(part(0, "a", "f", '{"x"')), tools(part(0, "a", "f", ":1}"))],
      expected: [{ id: "a", name: "f", input: '{"x":1}' }],
    },
    {
      name: "neither index nor id, pieces following each other",
      frames: [
        tools({ function: { name: "f", arguments: '{"x"' } }),
        tools({ function: { arguments: ":1}" } }),
        tools({ function: { name: "g" } }),
      ],
      expected: [
        { id: "call_0_u1", name: "f", input: '{"x":1}' },
        { id: "call_1_u1", name: "g", input: "{}" },
      ],
    },
    {
      name: "arguments as an object, and none at all",
      frames: [tools(part(0, "a", "f", { x: 1 }), part(1, "b", "g", undefined), part(2, "c", "h", ""))],
      expected: [
        { id: "a", name: "f", input: '{"x":1}' },
        { id: "b", name: "g", input: "{}" },
        { id: "c", name: "h", input: "{}" },
      ],
    },
    {
      name: "input before the name",
      frames: [tools(part(0, "a", undefined, '{"x"')), tools(part(0, undefined, "f", ":1}"))],
      expected: [{ id: "a", name: "f", input: '{"x":1}' }],
    },
    {
      name: "empty names and ids in later pieces",
      frames: [tools(part(0, "a", "f", "")), tools(part(0, "", "", "{}"))],
      expected: [{ id: "a", name: "f", input: "{}" }],
    },
    {
      name: "the function_call of 2023",
      frames: [
        delta({ function_call: { name: "f", arguments: '{"x"' } }),
        delta({ function_call: { arguments: ":1}" } }),
      ],
      expected: [{ id: "call_0_u1", name: "f", input: '{"x":1}' }],
    },
  ])("are put together from $name", ({ frames, expected }) => {
    const events = stream([...frames, delta({}, "tool_calls"), DONE]);
    expect(callsOf(events)).toEqual(expected);
    const ids = events.flatMap((event) => (event.type === "tool-start" ? [event.id] : []));
    expect(new Set(ids).size).toBe(ids.length);
    for (const call of expected)
      expect(events.some((event) => event.type === "tool-input-delta" && call.input.endsWith(event.text))).toBe(true);
  });

  test("have ids that differ between the turns of a conversation when the provider gives none at all", () => {
    const frame = {
      data: JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [{ function: { name: "f" } }] } }] }),
      event: "",
    };
    const idAfter = (count: number): unknown => {
      const messages = Array.from({ length: count }, () => request.messages[0]).flatMap((message) =>
        message === undefined ? [] : [message],
      );
      return createOpenAiDecoder({ ...request, messages }, targetWith({})).feed(frame)[0];
    };
    expect(idAfter(1)).toEqual(idAfter(1));
    expect(idAfter(1)).not.toEqual(idAfter(3));
    expect(idAfter(1)).toMatchObject({ type: "tool-start", id: expect.stringMatching(/^call_0_[0-9a-f]{8}$/) });
  });

  test("of a whole reply are separate, whatever their index says", () => {
    const calls = [part(0, undefined, "f", "{}"), part(0, "x", "f", { y: 1 }), part(0, "x", "g", "")];
    const events = reply({ id: "u1", choices: [{ message: { tool_calls: calls }, finish_reason: "stop" }] });
    expect(callsOf(events)).toEqual([
      { id: "call_0_u1", name: "f", input: "{}" },
      { id: "x", name: "f", input: '{"y":1}' },
      { id: "call_2_u1", name: "g", input: "{}" },
    ]);
    expect(events.find((event) => event.type === "finish")).toMatchObject({
      reason: "tool_calls",
      nativeReason: "stop",
    });
  });

  test("without end are not an answer", () => {
    const events = stream([tools(...Array.from({ length: 2_000 }, (_, at) => part(at, `c${at}`, "f", "{}")))]);
    expect(failureOf(events)?.message).toContain("more than 1024 tool calls");
  });
});

describe("the end", () => {
  const text = delta({ content: "Hi" });
  test.each([
    {
      name: "a finish and [DONE]",
      frames: [text, delta({}, "stop"), DONE],
      expected: ["start", "text-delta", "finish"],
    },
    { name: "a finish without [DONE]", frames: [text, delta({}, "stop")], expected: ["start", "text-delta", "finish"] },
    { name: "[DONE] without a finish", frames: [text, DONE], expected: ["start", "text-delta", "finish"] },
    { name: "neither: cut off", frames: [text], expected: ["start", "text-delta", "error"] },
    { name: "nothing at all: cut off", frames: [], expected: ["error"] },
    { name: "[DONE] alone: malformed", frames: [DONE], expected: ["error"] },
    {
      name: "a finish said twice",
      frames: [text, delta({}, "stop"), delta({}, "stop"), DONE],
      expected: ["start", "text-delta", "finish"],
    },
    {
      name: "content after the finish",
      frames: [text, delta({}, "stop"), text, DONE],
      expected: ["start", "text-delta", "finish"],
    },
    {
      name: "rubbish after the finish",
      frames: [text, delta({}, "stop"), "rubbish", { error: { message: "late" } }],
      expected: ["start", "text-delta", "finish"],
    },
    {
      name: "a part that is not JSON",
      frames: [text, '{"choices":', text, DONE],
      expected: ["start", "text-delta", "error"],
    },
    {
      name: "one of two choices unfinished",
      frames: [text, delta({ content: "B" }, null, 1), delta({}, "stop")],
      expected: ["start", "text-delta", "text-delta", "finish", "error"],
    },
  ])("after $name", ({ frames, expected }) => {
    expect(types(stream(frames))).toEqual(expected);
  });

  test("that was cut may be tried elsewhere and is the endpoint's trouble", () => {
    expect(failureOf(stream([text]))).toMatchObject({
      scope: "endpoint",
      retry: "elsewhere",
      errorType: "provider_unavailable",
    });
    expect(failureOf(stream(["{"]))).toMatchObject({
      scope: "endpoint",
      retry: "elsewhere",
      errorType: "provider_unavailable",
      message: expect.stringContaining("malformed"),
    });
  });

  test.each([
    ["stop", "stop"],
    ["eos", "stop"],
    ["end_turn", "stop"],
    ["STOP", "stop"],
    ["length", "length"],
    ["max_tokens", "length"],
    ["model_length", "length"],
    ["tool_calls", "tool_calls"],
    ["function_call", "tool_calls"],
    ["content_filter", "content_filter"],
    ["sensitive", "content_filter"],
    ["never_heard_of", "stop"],
    ["constructor", "stop"],
  ])("called %s is %s, and keeps its native name", (native, reason) => {
    expect(stream([text, delta({}, native)]).at(-1)).toEqual({
      type: "finish",
      choice: 0,
      reason,
      nativeReason: native,
    });
  });

  test.each(["error", "abort", "insufficient_system_resource"])("called %s is a failure", (native) => {
    expect(types(stream([text, delta({}, native), DONE]))).toEqual(["start", "text-delta", "error"]);
    expect(failureOf(reply({ choices: [{ message: { content: "Hi" }, finish_reason: native }] }))).toMatchObject({
      scope: "endpoint",
      providerCode: native,
    });
  });
});

describe("an error inside a 200", () => {
  test.each([
    {
      name: "an object",
      frame: { error: { message: "Overloaded", code: "overloaded" } },
      expected: { errorType: "provider_overloaded", scope: "endpoint" },
    },
    {
      name: "a text",
      frame: { error: "boom my-own-credential" },
      expected: { message: "boom ***", scope: "endpoint" },
    },
    {
      name: "a status as its code",
      frame: { error: { message: "Slow down", code: 429 } },
      expected: { status: 429, scope: "capacity", errorType: "rate_limit_exceeded" },
    },
    {
      name: "the shape of vLLM",
      frame: { object: "error", message: "This model's maximum context length is 10 tokens", code: 400 },
      expected: { errorType: "context_length_exceeded", scope: "request" },
    },
    {
      name: "a bad request",
      frame: { error: { message: "No", type: "invalid_request_error" } },
      expected: { errorType: "invalid_request", scope: "request", retry: "never" },
    },
    {
      name: "an error beside choices",
      frame: {
        error: { message: "x", code: 502 },
        choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }],
      },
      expected: { status: 502, scope: "endpoint" },
    },
    {
      name: "an error of a choice",
      frame: { choices: [{ index: 0, delta: {}, error: { message: "x", code: 503 } }] },
      expected: { status: 503, errorType: "provider_overloaded" },
    },
  ])("is recognised as $name, streamed and buffered", ({ frame, expected }) => {
    const streamed = stream([delta({ content: "Hi" }), frame, delta({ content: "more" }), DONE]);
    expect(types(streamed)).toEqual(["start", "text-delta", "error"]);
    expect(failureOf(streamed)).toMatchObject(expected);
    expect(failureOf(reply(frame))).toMatchObject(expected);
  });

  test("is recognised by the name of its event", () => {
    const decoder = createOpenAiDecoder(request, targetWith({}));
    expect(decoder.feed({ event: "error", data: "out of memory" })[0]).toMatchObject({
      type: "error",
      failure: { message: "out of memory", scope: "endpoint" },
    });
    expect(
      createOpenAiDecoder(request, targetWith({})).feed({ event: "error", data: '{"message":"no"}' })[0],
    ).toMatchObject({ type: "error", failure: { message: "no" } });
  });

  test.each([null, "text", [], {}, { choices: [] }, { choices: null }, { id: "x", choices: [null] }])(
    "a buffered %j is malformed",
    (body) => {
      const events = reply(body);
      expect(types(events).at(-1)).toBe("error");
      expect(failureOf(events)).toMatchObject({
        scope: "endpoint",
        retry: "elsewhere",
        message: expect.stringContaining("malformed"),
      });
    },
  );

  test("keeps the usage that came with it", () => {
    expect(types(stream([{ error: { message: "x" }, usage: { prompt_tokens: 1, completion_tokens: 2 } }]))).toEqual([
      "usage",
      "error",
    ]);
  });
});

describe("usage", () => {
  const counts = (prompt: number, completion: number): object => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  });
  test("counts wherever it comes, the last value wins, nothing is summed", () => {
    const events = stream([
      { ...delta({ content: "a" }), usage: counts(5, 1) },
      { ...delta({ content: "b" }, "stop"), usage: counts(5, 2) },
      { choices: [], usage: counts(5, 3) },
      { choices: [], usage: counts(0, 0) },
      DONE,
    ]);
    expect(collect(events).usage).toMatchObject({ inputText: 5, outputText: 3 });
  });

  test("is found at the provider's second place", () => {
    const quirks = { usage_at: "x_groq.usage" };
    expect(
      collect(stream([delta({}, "stop"), { choices: [], x_groq: { usage: counts(7, 1) } }], quirks)).usage,
    ).toMatchObject({ inputText: 7 });
    expect(collect(stream([delta({}, "stop"), { choices: [], x_groq: { usage: counts(7, 1) } }])).usage).toBeNull();
  });
});

describe("content", () => {
  test("reasoning is read from the first field that has it", () => {
    const events = stream([
      delta({ reasoning: "a", reasoning_content: "a" }),
      delta({ reasoning: "b" }),
      delta({ content: "c" }, "stop"),
    ]);
    expect(collect(events).choices[0]).toMatchObject({
      text: "c",
      reasoning: [{ type: "reasoning.text", text: "ab", format: "unknown", index: 0 }],
    });
    expect(types(stream([delta({ reasoning: "b" }, "stop")], { reasoning_fields: [] }))).toEqual(["start", "finish"]);
  });

  test("reasoning details are kept as given, and their plain copy is not doubled", () => {
    const details = [
      { type: "reasoning.text", text: "a", signature: null, format: "anthropic-claude-v1", index: 0 },
      { type: "reasoning.encrypted", data: "xx", id: "r1", format: "openai-responses-v1", index: 1 },
    ];
    const events = stream([
      delta({ reasoning: "a", reasoning_details: details }),
      delta({ reasoning_details: [{ type: "reasoning.text", text: "b", signature: "s", index: 0 }] }),
      delta({}, "stop"),
    ]);
    expect(collect(events).choices[0]?.reasoning).toEqual([
      { type: "reasoning.text", text: "ab", signature: "s", format: "unknown", index: 0 },
      { ...details[1] },
    ]);
  });

  test("reasoning details without an index are numbered by their kind, or by their place in a whole reply", () => {
    const [text, more, closed] = [
      { type: "reasoning.text", text: "a" },
      { type: "reasoning.text", text: "b" },
      { type: "reasoning.encrypted", data: "x" },
    ];
    const streamed = stream([
      delta({ reasoning_details: [text] }),
      delta({ reasoning_details: [more, closed] }),
      delta({}, "stop"),
    ]);
    expect(collect(streamed).choices[0]?.reasoning).toMatchObject([
      { text: "ab", index: 0 },
      { data: "x", index: 1 },
    ]);
    const whole = reply({ choices: [{ message: { reasoning_details: [text, more] }, finish_reason: "stop" }] });
    expect(collect(whole).choices[0]?.reasoning).toMatchObject([
      { text: "a", index: 0 },
      { text: "b", index: 1 },
    ]);
  });

  test("media, refusals, annotations and logprobs are passed on", () => {
    const value = {
      content: "Look",
      refusal: "No",
      audio: { id: "a1", data: "AAAA" },
      annotations: [{ type: "url_citation" }],
      images: [
        { type: "image_url", image_url: { url: "data:image/png;base64,AA" } },
        { url: "https://x/y.png" },
        "https://x/z.png",
        { b64_json: "BB" },
      ],
    };
    const logprobs = { content: [{ token: "L" }] };
    const whole = reply({ id: "u1", choices: [{ index: 0, message: value, logprobs, finish_reason: "stop" }] });
    expect(collect(whole).choices[0]).toMatchObject({
      text: "Look",
      refusal: "No",
      audio: { id: "a1", data: "AAAA" },
      annotations: [{ type: "url_citation" }],
      logprobs: { content: [{ token: "L" }] },
      images: ["data:image/png;base64,AA", "https://x/y.png", "https://x/z.png", "data:image/png;base64,BB"],
    });
    expect(
      stream([{ id: "u1", choices: [{ index: 0, delta: value, logprobs, finish_reason: "stop" }] }, DONE]),
    ).toEqual(whole);
  });

  test("citations beside the choices become annotations once, at the end", () => {
    const chunk = {
      ...delta({ content: "a" }),
      citations: ["https://x"],
      search_results: [{ title: "X", url: "https://x" }],
    };
    const events = stream([chunk, chunk, delta({}, "stop")], { citations: true });
    expect(types(events)).toEqual(["start", "text-delta", "text-delta", "annotations", "finish"]);
    expect(collect(events).choices[0]?.annotations).toEqual([
      {
        type: "url_citation",
        url_citation: { url: "https://x", title: "X", content: "", start_index: 0, end_index: 0 },
      },
    ]);
  });

  test("several choices keep apart", () => {
    const events = stream([
      delta({ content: "a" }),
      delta({ content: "x" }, null, 1),
      delta({ content: "b" }, "stop"),
      delta({ content: "y" }, "length", 1),
      DONE,
    ]);
    expect(collect(events).choices).toMatchObject([
      { index: 0, text: "ab", finishReason: "stop" },
      { index: 1, text: "xy", finishReason: "length" },
    ]);
  });

  test("id, fingerprint and tier are told once each", () => {
    const events = stream([
      { id: "u1", choices: [] },
      { id: "u2", system_fingerprint: "f", choices: [] },
      { id: "u3", system_fingerprint: "f", service_tier: "flex", choices: [] },
      delta({}, "stop"),
    ]);
    expect(events.filter((event) => event.type === "start")).toEqual([
      { type: "start", upstreamId: "u1" },
      { type: "start", upstreamId: "u1", systemFingerprint: "f" },
      { type: "start", upstreamId: "u1", systemFingerprint: "f", serviceTier: "flex" },
    ]);
  });
});
