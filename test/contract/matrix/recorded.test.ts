/**
 * Every recorded answer of every provider (test/fixtures), as every client hears it: text, calls, reasoning, tokens, the end
 * and the error, streamed and buffered alike. What an answer means is in its events.json, which the contract of the adapters
 * proves; here it goes on to the readers of the matrix.
 */
import { describe, expect, test } from "vitest";
import { isContent, type FinishReason, type GenerationEvent } from "../../../src/core/event.ts";
import { isObject, parseJson } from "../../../src/core/json.ts";
import { completionTokens, NO_USAGE, promptTokens } from "../../../src/core/usage.ts";
import { collected } from "../../unit/dialects/answers.ts";
import { recordedCases } from "../providers/cases.ts";
import { completionsClient } from "./client-openai-chat.ts";
import { responsesClient } from "./client-openai-responses.ts";
import { rendered } from "./cell.ts";
import { CLIENTS } from "./clients.ts";
import { callOf, type Client, type Heard } from "./words.ts";

/** The readers of the matrix hear one choice, and calls whose input is whole. */
function isHeard(events: readonly GenerationEvent[]): boolean {
  const isOne = events.every((event) => !("choice" in event) || event.choice === 0);
  const { choices } = collected(events);
  return isOne && choices.every(({ toolCalls }) => toolCalls.every(({ input }) => isObject(parseJson(input))));
}

const cases = recordedCases().filter(({ events }) => isHeard(events));

const ENDS: Readonly<Record<FinishReason, Heard["end"]>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tools",
  content_filter: "refusal",
  error: "error",
};

test("most of what is recorded is heard", () => {
  expect(cases.length).toBeGreaterThan(80);
});

describe.each(CLIENTS.map((client) => ({ name: client.dialect.name, client })))(
  "a client of $name hears",
  ({ client }) => {
    test.each(cases)("$name", ({ events }) => {
      // What fails before any content is an error of its own, not an answer that holds one.
      const isAnswer = events.some(isContent) || events.every((event) => event.type !== "error");
      for (const stream of isAnswer ? [false, true] : [true]) {
        expectHeard(client, events, rendered(client, { includeThoughts: true }, events, stream));
      }
    });
  },
);

function expectHeard(client: Client, events: readonly GenerationEvent[], heard: Heard): void {
  const { choices, usage, failure } = collected(events);
  const [choice] = choices;
  const refusal = choice?.refusal ?? "";
  // A call that the end never came for is not one.
  const hasCalls = client !== completionsClient && failure === null;
  // Formats without pictures in answers tell of them in the text; those without refusals say the refusal there.
  const isPlain = refusal === "" && (choice?.images.length ?? 0) === 0;
  if (isPlain) expect(heard.text).toBe(choice?.text ?? "");
  else expect(heard.text + heard.refusal).toContain(refusal + (refusal === "" ? (choice?.text ?? "") : ""));
  const calls = (choice?.toolCalls ?? []).map(({ id, name, input }) => callOf(id, name, input));
  if (hasCalls) expect(heard.calls).toEqual(calls);
  expect(heard.thought).toBe((choice?.reasoning ?? []).map((detail) => detail.text ?? detail.summary ?? "").join(""));
  expect(heard.tokens).toEqual([promptTokens(usage ?? NO_USAGE), completionTokens(usage ?? NO_USAGE)]);
  if (failure !== null) {
    // The Responses API calls an answer incomplete that was too long.
    if (client === responsesClient && failure.errorType === "context_length_exceeded") expect(heard.end).toBe("length");
    else expect(heard).toMatchObject({ end: "error", error: failure.message });
  } else if (refusal === "") expect(heard).toMatchObject({ end: ENDS[choice?.finishReason ?? "stop"], error: null });
  else if (client.refusalIsText !== true) expect(heard).toMatchObject({ end: "refusal", error: null });
}
