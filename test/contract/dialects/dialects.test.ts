/**
 * What every dialect promises, proved on every recorded case: a body becomes the same request; an answer becomes the same
 * bytes however its events are batched; no body of a broken client and no order of events makes it throw; and errors and
 * ends of every kind have a form.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GenerationEvent } from "../../../src/core/event.ts";
import type { ErrorType } from "../../../src/core/error.ts";
import type { ErrorFace } from "../../../src/dialects/dialect.ts";
import { collected, FACE, finish, HEAD, TAIL, text } from "../../unit/dialects/answers.ts";
import { DIALECTS, dialectCases, type DialectCase } from "./cases.ts";

const cases = dialectCases();
const MUTATIONS_PER_CASE = 400;

function echoOf({ dialect, body, beside }: DialectCase) {
  const parsed = dialect.parse(body, beside);
  if (!parsed.ok) throw new Error(`${parsed.error.kind} for a body of ours`);
  return parsed.value.echo;
}

function streamed(one: DialectCase, batches: readonly (readonly GenerationEvent[])[]): string {
  const renderer = one.dialect.createStreamRenderer({ ...HEAD, echo: echoOf(one) });
  return batches.map((batch) => renderer.render(batch)).join("") + renderer.end(TAIL);
}

/** The frames of a stream that has come to its end; throws for one that has not. */
function framesOf({ streamType }: DialectCase["dialect"], stream: string): readonly string[] {
  if (streamType.startsWith("application/json")) {
    return (JSON.parse(stream) as readonly unknown[]).map((value) => JSON.stringify(value));
  }
  const frames = stream.split(/\r?\n\r?\n/);
  expect(frames.pop()).toBe("");
  return frames;
}

/** How an end is said where a format has a closed list of ends instead of the provider's own word. */
const GEMINI_ENDS = {
  stop: "STOP",
  length: "MAX_TOKENS",
  tool_calls: "STOP",
  content_filter: "SAFETY",
  error: "OTHER",
} as const;

test.each(DIALECTS.map(({ name }) => ({ name })))("$name has recorded cases", ({ name }) => {
  expect(cases.filter(({ dialect }) => dialect.name === name).length).toBeGreaterThan(0);
});

describe.each(cases)("$name", (one) => {
  const { dialect, body, beside, events } = one;

  test("names its source and the day it was read", () => {
    expect(one.source).toMatch(/^https:\/\//);
    expect(one.accessed).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  });

  test("becomes the same request", () => {
    const parsed = dialect.parse(body, beside);
    // As JSON: a member that is undefined is one that is not there.
    expect(parsed.ok && (JSON.parse(JSON.stringify(parsed.value.request)) as unknown)).toEqual(one.request);
  });

  test("is answered by the same bytes, however the events are batched", () => {
    expect(streamed(one, [events])).toBe(one.stream);
    expect(
      streamed(
        one,
        events.map((event) => [event]),
      ),
    ).toBe(one.stream);
    for (let at = 1; at < events.length; at++) {
      expect(streamed(one, [events.slice(0, at), [], events.slice(at)]), `cut at event ${at}`).toBe(one.stream);
    }
  });

  test("is answered by the same body", () => {
    const head = { ...HEAD, echo: echoOf(one) };
    const reply = dialect.renderReply(head, collected(events), TAIL, null);
    expect(JSON.parse(JSON.stringify(reply))).toEqual(one.reply);
  });

  test(`does not throw for ${MUTATIONS_PER_CASE} mutations of its body, and names what is wrong`, () => {
    const source = JSON.stringify(body);
    fc.assert(
      fc.property(
        fc.nat({ max: source.length - 1 }),
        fc.nat({ max: source.length }),
        fc.jsonValue(),
        (from, length, value) => {
          const mutated = source.slice(0, from) + JSON.stringify(value) + source.slice(from + length);
          let given: unknown;
          try {
            given = JSON.parse(mutated);
          } catch {
            given = mutated;
          }
          const parsed = dialect.parse(given, beside);
          if (!parsed.ok && "message" in parsed.error) expect(parsed.error.message).not.toBe("");
        },
      ),
      { numRuns: MUTATIONS_PER_CASE, seed: 7 },
    );
  });

  test("does not throw for its events in any order, and ends once", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...events, ...events]), (shuffled) => {
        const frames = streamed(
          one,
          shuffled.map((event) => [event]),
        );
        const last = framesOf(dialect, streamed(one, [[]])).at(-1);
        // Gemini's last chunk says how each candidate ended, and with it, alone, what was used.
        const isLast = (frame: string): boolean =>
          dialect.name.startsWith("gemini") ? frame.includes('"usageMetadata"') : frame === last;
        expect(framesOf(dialect, frames).filter(isLast)).toHaveLength(1);
        dialect.renderReply({ ...HEAD, echo: echoOf(one) }, collected(shuffled), TAIL, null);
      }),
      { numRuns: 100, seed: 7 },
    );
  });
});

const ERROR_TYPES: Readonly<Record<ErrorType, true>> = {
  context_length_exceeded: true,
  max_tokens_exceeded: true,
  token_limit_exceeded: true,
  string_too_long: true,
  invalid_request: true,
  invalid_prompt: true,
  content_policy_violation: true,
  refusal: true,
  invalid_image: true,
  image_too_large: true,
  image_too_small: true,
  unsupported_image_format: true,
  image_download_failed: true,
  authentication: true,
  payment_required: true,
  permission_denied: true,
  not_found: true,
  image_not_found: true,
  precondition_failed: true,
  conflict: true,
  payload_too_large: true,
  unprocessable: true,
  rate_limit_exceeded: true,
  provider_unavailable: true,
  provider_overloaded: true,
  timeout: true,
  server: true,
  unmapped: true,
};

describe.each(DIALECTS)("every error and every end of $name", (dialect) => {
  test.each(Object.keys(ERROR_TYPES))("%s is said before an answer, and ends one once", (type) => {
    const face: ErrorFace = { ...FACE, message: `It failed: ${type}.`, metadata: { error_type: type } };
    const context = { requestId: null, generationId: null, metadata: null };
    expect(JSON.stringify(dialect.renderError(face, context))).toContain(face.message);
    const renderer = dialect.createStreamRenderer(HEAD);
    const stream = renderer.render([text("Half")]) + renderer.fail(face, TAIL);
    expect(stream.split("Half").length).toBeGreaterThan(1);
    // An answer that was too long is one that ends, in a format that has a word for it.
    expect(stream.split(face.message).length - 1).toBeLessThanOrEqual(1);
  });

  test.each(["stop", "length", "tool_calls", "content_filter", "error"] as const)(
    "%s ends a stream and a body",
    (reason) => {
      const events = [text("x"), finish(reason, "native_word")];
      const renderer = dialect.createStreamRenderer(HEAD);
      const stream = renderer.render(events) + renderer.end(TAIL);
      const reply = JSON.stringify(dialect.renderReply(HEAD, collected(events), TAIL, null));
      const word = dialect.name.startsWith("gemini") ? `"finishReason":"${GEMINI_ENDS[reason]}"` : "native_word";
      expect(reply).toContain(word);
      if (reason !== "error") expect(stream).toContain(word);
    },
  );

  test("what keeps a stream open is no part of an answer", () => {
    expect(dialect.keepAlive.endsWith("\n\n") || dialect.keepAlive.trim() === "").toBe(true);
    expect(dialect.keepAlive).not.toMatch(/content|delta|choices/);
  });
});
