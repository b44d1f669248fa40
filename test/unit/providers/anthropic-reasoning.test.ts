/** Thinking goes round byte for byte: out of a stream, through a client that stored its pieces, back into a request. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ChatRequest, ReasoningDetail } from "../../../src/core/chat.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { anthropic } from "../../../src/providers/anthropic.ts";

const TARGET: Target = {
  provider: asProviderId("anthropic"),
  upstreamModel: "claude-sonnet-4-5-20250929",
  baseUrl: "https://api.anthropic.com/v1",
  credential: "test-credential-0123456789",
  supportedParameters: ["reasoning"],
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

interface ThinkingBlock {
  readonly pieces: readonly string[];
  readonly signature: string;
}

const block: fc.Arbitrary<ThinkingBlock | string> = fc.oneof(
  fc.record({
    pieces: fc.array(fc.string({ unit: "binary" }), { maxLength: 4 }),
    signature: fc.string({ minLength: 1 }),
  }),
  fc.string({ minLength: 1 }),
);

/** Frames of a stream with these blocks; a bare text is the data of a redacted one. */
function framesOf(blocks: readonly (ThinkingBlock | string)[]): readonly unknown[] {
  return blocks.flatMap((one, index): readonly unknown[] => {
    if (typeof one === "string") {
      return [
        { type: "content_block_start", index, content_block: { type: "redacted_thinking", data: one } },
        { type: "content_block_stop", index },
      ];
    }
    return [
      { type: "content_block_start", index, content_block: { type: "thinking", thinking: "", signature: "" } },
      ...one.pieces.map((thinking) => ({
        type: "content_block_delta",
        index,
        delta: { type: "thinking_delta", thinking },
      })),
      { type: "content_block_delta", index, delta: { type: "signature_delta", signature: one.signature } },
      { type: "content_block_stop", index },
    ];
  });
}

function detailsOf(blocks: readonly (ThinkingBlock | string)[]): readonly ReasoningDetail[] {
  const decoder = anthropic.createDecoder(REQUEST, TARGET);
  return framesOf(blocks)
    .flatMap((frame) => decoder.feed({ event: "", data: JSON.stringify(frame) }))
    .flatMap((event) => (event.type === "reasoning-delta" ? [event.detail] : []));
}

test("thinking, signatures and redacted data come back as they went out, before the tool call", () => {
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), (blocks) => {
      const reasoning = detailsOf(blocks);
      const toolCalls = [{ id: "toolu_1", name: "look", input: "{}" }];
      const encoded = anthropic.encode(
        { ...REQUEST, messages: [...REQUEST.messages, { role: "assistant", parts: [], toolCalls, reasoning }] },
        TARGET,
      );
      if (!encoded.ok) throw new Error(encoded.error);
      const body = JSON.parse(encoded.value.body) as { messages: readonly { content: unknown }[] };
      const expected = blocks.map((one) =>
        typeof one === "string"
          ? { type: "redacted_thinking", data: one }
          : { type: "thinking", thinking: one.pieces.join(""), signature: one.signature },
      );
      expect(body.messages[1]?.content).toEqual([
        ...expected,
        { type: "tool_use", id: "toolu_1", name: "look", input: {} },
      ]);
      expect(encoded.value.warnings).toEqual([]);
    }),
    { seed: 3, numRuns: 300 },
  );
});
