/** Deltas that came at once are shown one by one, in every dialect. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { oneByOne, type GenerationEvent } from "../../../src/core/event.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import { completions } from "../../../src/dialects/completions.ts";
import { gemini } from "../../../src/dialects/gemini.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";
import { HEAD, TAIL, call, input, text } from "./answers.ts";

const pieces = fc.array(fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('"', "\\", "\n", "é", "😀", "\u2028")), {
  minLength: 2,
  maxLength: 6,
});
const gathered = pieces.map((several): GenerationEvent => ({
  type: "text-delta",
  choice: 0,
  text: several.join(""),
  pieces: several,
}));
const events = fc.array(
  fc.oneof(
    gathered,
    fc.string({ minLength: 1 }).map(text),
    fc.constantFrom<GenerationEvent>(
      { type: "start", upstreamId: "c1", systemFingerprint: "fp" },
      { type: "text-delta", choice: 1, text: "beside" },
      call(0, "call-1", "look"),
      input(0, "{}"),
      { type: "finish", choice: 0, reason: "stop", nativeReason: "stop" },
    ),
  ),
  { maxLength: 8 },
);

test.each([openAiChat, anthropicMessages, openAiResponses, gemini, completions])(
  "$name shows gathered deltas one by one",
  (dialect) => {
    fc.assert(
      fc.property(events, (batch) => {
        const written = [batch, oneByOne(batch)].map((given) => {
          const renderer = dialect.createStreamRenderer(HEAD);
          return renderer.render(given) + renderer.end(TAIL);
        });
        expect(written[0]).toBe(written[1]);
      }),
    );
  },
);
