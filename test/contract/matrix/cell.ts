/**
 * One cell: what a client of a dialect asks goes all the way to the wire of a family, and its answer all the way back,
 * streamed and buffered. The steps are the product's own: parse, encode; decode, render. Any step that says something else
 * than what was said throws.
 */
import { expect } from "vitest";
import { createEventStreamSplitter } from "../../../src/core/event-stream.ts";
import { isContent, type GenerationEvent } from "../../../src/core/event.ts";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { UpstreamFailure } from "../../../src/core/error.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { createSseSplitter } from "../../../src/core/sse.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";
import type { AnswerTail, ErrorFace } from "../../../src/dialects/dialect.ts";
import type { Adapter, Target } from "../../../src/providers/adapter.ts";
import { collected, HEAD, TAIL } from "../../unit/dialects/answers.ts";
import { DEFAULT_TARGET } from "../providers/cases.ts";
import { eventStreamOf } from "../providers/event-stream.ts";
import * as words from "./words.ts";
import type { Answer, Ask, Client, Feature, Heard, Sent, Wire } from "./words.ts";

export interface Cell {
  readonly client: Client;
  readonly wire: Wire;
  readonly adapter: Adapter;
  readonly feature: Feature;
}

/** What an answer's renderers need of the request. */
export interface Asked {
  readonly request: ChatRequest;
  readonly echo?: JsonObject | undefined;
  readonly sent: Sent;
}

const ANSWERS: Readonly<Record<Feature, Answer>> = {
  text: { text: words.TEXT, end: "stop" },
  stream: { text: words.TEXT, end: "stop" },
  "one tool": { calls: [words.CALLS[0]], end: "tools" },
  "parallel tools": { calls: words.CALLS, end: "tools" },
  "tool result": { calls: words.CALLS, end: "tools" },
  "structured output": { text: words.STRUCTURED, end: "stop" },
  reasoning: { thought: true, calls: [words.CALLS[0]], end: "tools" },
  image: { text: words.TEXT, end: "stop" },
  PDF: { text: words.TEXT, end: "stop" },
  audio: { text: words.TEXT, end: "stop" },
  video: { text: words.TEXT, end: "stop" },
  "cache control": { text: words.TEXT, end: "stop" },
  refusal: { end: "refusal" },
  length: { text: words.TEXT, end: "length" },
  "error before": { end: "broken" },
  "error in stream": { text: words.BROKEN, end: "broken" },
};

/** Throws when the cell does not hold. */
export function proveCell(cell: Cell): void {
  const { feature, wire } = cell;
  if (feature === "error before") proveEarlyError(cell);
  else if (feature === "error in stream") proveLateError(cell);
  else if (wire.refuses[feature] !== undefined) proveRefusal(cell, wire.refuses[feature].sentence);
  else for (const stream of feature === "stream" ? [true] : [false, true]) proveAnswer(cell, stream);
  if (feature === "structured output" && wire.forcesTool !== undefined) proveForcedTool(cell, wire.forcesTool);
}

/** What one family signed never goes to another one; the calls do, and the client is told. */
export function proveSwitch(cell: Cell, other: Pick<Cell, "wire" | "adapter">): void {
  const asked = ask(cell, { feature: "reasoning", stream: true });
  const heard = hear(cell, asked, ANSWERS.reasoning, true);
  const { body, warnings } = ask({ ...cell, ...other }, { feature: "reasoning", stream: true, heard }).sent;
  const text = JSON.stringify(body);
  expect(text).not.toContain(words.SIGNATURE);
  // Nor in what dialects wrap it in.
  expect(text).not.toMatch(/wp1\.|d2F5cG9zdC1yZWFzb25pbmcv|encrypted_content":/);
  expect(text).toContain(`"${words.RESULTS[0]}"`);
  expect(warnings.join(" ")).toMatch(/reasoning/i);
}

function proveAnswer(cell: Cell, stream: boolean): void {
  const { client, wire, feature } = cell;
  const asked = ask(cell, { feature, stream });
  if (client.dialect.name !== "completions") expect(JSON.stringify(asked.sent.body)).toContain(words.SYSTEM);
  // Of these two the request that comes after the answer is what counts.
  if (feature !== "tool result" && !(feature === "text" && stream)) wire.says[feature]?.(asked.sent);
  const answer = ANSWERS[feature];
  const heard = hear(cell, asked, answer, stream);
  if (feature === "refusal") expectRefusal(cell, heard);
  else {
    expect(heard.text).toBe(answer.text ?? "");
    expect(heard.calls).toEqual(answer.calls ?? []);
    expect(heard.end).toBe(answer.end);
  }
  expect(heard.error).toBeNull();
  expect(heard.tokens).toEqual([words.INPUT_TOKENS, words.OUTPUT_TOKENS]);
  if (feature === "reasoning") expect(heard.thought).toBe(words.THOUGHT);
  if (feature !== "reasoning" && feature !== "tool result") return;
  const again = ask(cell, { feature, stream, heard });
  wire.says[feature]?.(again.sent);
  if (feature === "reasoning") wire.echoesThought(again.sent);
}

/** An endpoint without structured output is asked for a call, which the client hears as the text that it wanted. */
function proveForcedTool(cell: Cell, forcesTool: (sent: Sent) => void): void {
  const supportedParameters = words.PARAMETERS.filter((name) => name !== "structured_outputs");
  const poorer: Cell = { ...cell, wire: { ...cell.wire, target: { ...cell.wire.target, supportedParameters } } };
  const call = { id: "call_1", name: words.JSON_TOOL, input: JSON.parse(words.STRUCTURED) as JsonObject };
  for (const stream of [false, true]) {
    const asked = ask(poorer, { feature: "structured output", stream });
    forcesTool(asked.sent);
    const heard = hear(poorer, asked, { calls: [call], end: "tools" }, stream);
    expect(heard).toMatchObject({ text: words.STRUCTURED, calls: [], end: "stop", error: null });
  }
}

function expectRefusal({ client, wire }: Cell, heard: Heard): void {
  const said = heard.text + heard.refusal;
  if (wire.refusesInWords) expect(said).toContain(words.REFUSAL);
  if (client.refusalIsText !== true || !wire.refusesInWords) expect(heard.end).toBe("refusal");
}

/** The format cannot say it: the client is told so in a sentence, whatever it streams. */
function proveRefusal(cell: Cell, sentence: string): void {
  for (const stream of [false, true]) {
    const encoded = cell.adapter.encode(parsed(cell, { feature: cell.feature, stream }).request, targetOf(cell.wire));
    expect(encoded.ok ? "it was sent" : encoded.error).toContain(sentence);
  }
}

/** An upstream's 429, and a stream that fails before it says anything: nothing was delivered. */
function proveEarlyError(cell: Cell): void {
  const { client, wire, adapter } = cell;
  const failure = adapter.classifyFailure(wire.tooMany, targetOf(wire), 0);
  expect(failure).toMatchObject({ status: 429, errorType: "rate_limit_exceeded", retry: "elsewhere" });
  expect(failure.message).toContain(words.OVERLOADED);
  const context = { requestId: null, generationId: null, metadata: null };
  expect(client.readRateLimit(client.dialect.renderError(faceOf(failure), context))).toBe(failure.message);
  const events = streamEvents(cell, ask(cell, { feature: "stream", stream: true }), ANSWERS["error before"]);
  expect(events.some(isContent)).toBe(false);
  expect(events.at(-1)?.type).toBe("error");
}

/** What came before the error is heard, and then the error, as the last. */
function proveLateError(cell: Cell): void {
  for (const stream of [false, true]) {
    const asked = ask(cell, { feature: "stream", stream: true });
    const events = streamEvents(cell, asked, ANSWERS["error in stream"]);
    const heard = rendered(cell.client, asked.echo, events, stream);
    expect(heard.text).toBe(words.BROKEN);
    expect(heard.error).toContain(words.OVERLOADED);
    expect(heard.end).toBe("error");
  }
}

export function targetOf(wire: Wire): Target {
  return { ...DEFAULT_TARGET, supportedParameters: words.PARAMETERS, ...wire.target };
}

export function parsed({ client }: Cell, wanted: Ask): Pick<Asked, "request" | "echo"> {
  // As JSON: that is how bodies come.
  const body: unknown = JSON.parse(JSON.stringify(client.body(wanted)));
  const result = client.dialect.parse(body, client.beside(wanted.stream));
  if (!result.ok) throw new Error(`the body was refused: ${JSON.stringify(result.error)}`);
  expect(result.value.request.stream).toBe(wanted.stream);
  return result.value;
}

export function ask(cell: Cell, wanted: Ask): Asked {
  const { request, echo } = parsed(cell, wanted);
  const encoded = cell.adapter.encode(request, targetOf(cell.wire));
  if (!encoded.ok) throw new Error(`it cannot be sent: ${encoded.error}`);
  const { url, body, warnings } = encoded.value;
  return { request, echo, sent: { url, body: JSON.parse(body) as unknown, warnings } };
}

function hear(cell: Cell, asked: Asked, answer: Answer, stream: boolean): Heard {
  return rendered(cell.client, asked.echo, eventsOf(cell, asked, answer, stream), stream);
}

/** What the spine gets of an answer. */
export function eventsOf(cell: Cell, asked: Asked, answer: Answer, stream: boolean): readonly GenerationEvent[] {
  if (stream) return streamEvents(cell, asked, answer);
  const body: unknown = JSON.parse(JSON.stringify(cell.wire.reply(answer)));
  return cell.adapter.decodeReply(body, asked.request, targetOf(cell.wire));
}

function streamEvents({ adapter, wire }: Cell, { request }: Asked, answer: Answer): readonly GenerationEvent[] {
  const isBinary = adapter.framing === "event-stream";
  const text = wire.stream(answer);
  const bytes = isBinary ? eventStreamOf(text) : new TextEncoder().encode(text);
  const splitter = isBinary ? createEventStreamSplitter() : createSseSplitter();
  const decoder = adapter.createDecoder(request, targetOf(wire));
  const events = [...splitter.feed(bytes), ...splitter.end()].flatMap((frame) => decoder.feed(frame));
  return [...events, ...decoder.end()];
}

/** What the client hears of these events, as the spine renders them. `echo` is what its dialect kept of the body. */
export function rendered(
  client: Client,
  echo: JsonObject | undefined,
  events: readonly GenerationEvent[],
  stream: boolean,
): Heard {
  const head = { ...HEAD, echo };
  const usage = events.findLast((event) => event.type === "usage")?.usage ?? NO_USAGE;
  const tail: AnswerTail = { ...TAIL, usage };
  const failure = events.findLast((event) => event.type === "error")?.failure;
  const face = failure === undefined ? null : faceOf(failure);
  if (!stream) {
    const reply = client.dialect.renderReply(head, collected(events), tail, face);
    return client.readReply(JSON.parse(JSON.stringify(reply)));
  }
  const renderer = client.dialect.createStreamRenderer(head);
  const text = events.map((event) => renderer.render([event])).join("");
  return client.readStream(text + (face === null ? renderer.end(tail) : renderer.fail(face, tail)));
}

function faceOf({ status, message, errorType }: UpstreamFailure): ErrorFace {
  const metadata = { error_type: errorType, provider_name: "Acme" };
  return { status: status === 0 || status === 200 ? 502 : status, message, metadata, availability: null };
}
