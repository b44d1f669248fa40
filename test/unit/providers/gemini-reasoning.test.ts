/** Thought signatures go round byte for byte, each on the call it came with. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ChatRequest, ReasoningDetail, ToolCall } from "../../../src/core/chat.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { gemini } from "../../../src/providers/gemini.ts";

const TARGET: Target = {
  provider: asProviderId("google-ai-studio"),
  upstreamModel: "gemini-3-pro-preview",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  credential: "test-credential-0123456789",
  supportedParameters: ["reasoning", "tools"],
  maxCompletionTokens: null,
  quirks: {},
  userHash: null,
};
const REQUEST: ChatRequest = {
  messages: [{ role: "user", parts: [{ type: "text", text: "Hello" }] }],
  stream: true,
  sampling: {},
  stop: [],
  tools: [],
  extra: {},
};

const call = fc.record({
  id: fc.constantFrom("", "fc_1", "fc_2"),
  name: fc.constantFrom("look", "listen"),
  signature: fc.option(fc.string({ unit: "binary", minLength: 1 }), { nil: undefined }),
  place: fc.integer(),
});

test("parallel calls keep their own signatures, with ids of the provider's or of ours", () => {
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 5 }), fc.boolean(), (calls, isSplit) => {
      const parts = calls.map(({ id, name, signature, place }) => ({
        functionCall: { ...(id === "" ? {} : { id }), name, args: { place } },
        ...(signature === undefined ? {} : { thoughtSignature: signature }),
      }));
      const chunks = isSplit ? parts.map((part) => [part]) : [parts];
      const decoder = gemini.createDecoder(REQUEST, TARGET);
      const events = chunks.flatMap((some) =>
        decoder.feed({ event: "", data: JSON.stringify({ candidates: [{ index: 0, content: { parts: some } }] }) }),
      );
      const reasoning: ReasoningDetail[] = [];
      const toolCalls: ToolCall[] = [];
      for (const event of events) {
        if (event.type === "reasoning-delta") reasoning.push(event.detail);
        if (event.type === "tool-start") toolCalls.push({ id: event.id, name: event.name, input: "" });
        const last = toolCalls.at(-1);
        if (event.type === "tool-input-delta" && last !== undefined)
          toolCalls[event.index] = { ...last, input: event.text };
      }
      expect(new Set(toolCalls.map((one) => one.id)).size).toBe(calls.length);
      const encoded = gemini.encode(
        { ...REQUEST, messages: [...REQUEST.messages, { role: "assistant", parts: [], toolCalls, reasoning }] },
        TARGET,
      );
      if (!encoded.ok) throw new Error(encoded.error);
      const body = JSON.parse(encoded.value.body) as { contents: readonly { parts: readonly object[] }[] };
      const isUnsigned = calls.every((one) => one.signature === undefined);
      const expected = parts.map((part, at) => ({
        ...part,
        functionCall: { ...part.functionCall, id: toolCalls[at]?.id },
        ...(isUnsigned && at === 0 ? { thoughtSignature: "skip_thought_signature_validator" } : {}),
      }));
      expect(body.contents[1]?.parts).toEqual(expected);
    }),
    { seed: 4, numRuns: 300 },
  );
});
