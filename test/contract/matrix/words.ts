/**
 * The words of the matrix: what is asked and answered in it, said in no format. Clients (client-*.ts) say it in a dialect,
 * wires (wire-*.ts) in the format of a provider; a cell is a feature between the two. Texts hold what breaks careless code:
 * quotes, line ends, letters of several bytes.
 */
import type { JsonObject } from "../../../src/core/json.ts";
import type { Beside, Dialect } from "../../../src/dialects/dialect.ts";
import type { FailedResponse, Target } from "../../../src/providers/adapter.ts";

export const FEATURES = [
  "text",
  "stream",
  "one tool",
  "parallel tools",
  "tool result",
  "structured output",
  "reasoning",
  "image",
  "PDF",
  "audio",
  "video",
  "cache control",
  "refusal",
  "length",
  "error before",
  "error in stream",
] as const;
export type Feature = (typeof FEATURES)[number];

export const SYSTEM = "Be brief.";
export const HELLO = 'Say "grüezi"\nplease.';
export const TEXT = 'Grüezi, "Ann"\n— 18 °C 🌤';
export const REFUSAL = "I cannot help with that.";
export const BROKEN = "Hel";
export const THOUGHT = 'The user\nasks for "Zürich" — 🤔.';
/** Opaque to all but the provider that made it. */
export const SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrzLoHdYf0iMPz+Cj6m1VYyc0dDZnRSGcL1=";
export const BOOK = "<the whole book>";
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PDF = "JVBERi0xLjQ=";
export const WAV = "UklGRiQAAABXQVZF";
export const MP4 = "AAAAIGZ0eXBpc29t";
export const LIMIT = 500;
/** Of answers with reasoning, in tokens; all of them may hold some. */
export const REASONING_LIMIT = 8_000;
export const REASONING_BUDGET = 2_000;
export const INPUT_TOKENS = 20;
export const OUTPUT_TOKENS = 9;
export const OVERLOADED = "Too many requests, slow down.";

export const SCHEMA: JsonObject = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const STRUCTURED = '{"city":"Zürich"}';

/** What stands for a structured answer at endpoints that have none. */
export const JSON_TOOL = "json_response";

/** The one tool. */
export const TOOL = { name: "get_weather", description: "The weather at a place", parameters: SCHEMA } as const;

export interface Call {
  readonly id: string;
  readonly name: string;
  readonly input: JsonObject;
}
export const CALLS: readonly [Call, Call] = [
  { id: "call_1", name: TOOL.name, input: { city: "Zürich" } },
  { id: "call_2", name: TOOL.name, input: { city: "Rome" } },
];
/** What the tools say, by the order of the calls. */
export const RESULTS = ["18 °C", '"rain"\n12'] as const;

/** What a provider answers. `broken`: it fails after the text, which may be empty. */
export interface Answer {
  readonly thought?: boolean;
  readonly text?: string;
  readonly calls?: readonly Call[];
  readonly end: "stop" | "length" | "tools" | "refusal" | "broken";
}

/** What a client has heard. */
export interface Heard {
  readonly text: string;
  /** Reasoning as shown. */
  readonly thought: string;
  readonly calls: readonly Call[];
  readonly refusal: string;
  readonly end: "stop" | "length" | "tools" | "refusal" | "error" | "?";
  /** Tokens of the prompt and of the completion; null when they were not told. */
  readonly tokens: readonly [number, number] | null;
  /** The message of an error that ended it. */
  readonly error: string | null;
  /** The answer as this client sends it in again, as one or several entries of its conversation. */
  readonly turn: readonly unknown[];
}

/** What the next body says: a feature, and for those that go on after an answer what was heard of it. */
export interface Ask {
  readonly feature: Feature;
  readonly stream: boolean;
  readonly heard?: Heard;
}

/** A client of one dialect: what it sends, and how it reads what comes. */
export interface Client {
  readonly dialect: Dialect;
  readonly beside: (stream: boolean) => Beside;
  readonly body: (ask: Ask) => unknown;
  readonly readReply: (reply: unknown) => Heard;
  readonly readStream: (stream: string) => Heard;
  /** The message of an error before anything was sent, when it says in this format that too many requests came. */
  readonly readRateLimit: (error: unknown) => string | null;
  /** Why cells of this row are empty. */
  readonly cannot: Readonly<Partial<Record<Feature, string>>>;
  /** A refusal stands in the text, and nothing tells it apart. */
  readonly refusalIsText?: boolean;
}

/** What is about to be sent. */
export interface Sent {
  readonly url: string;
  readonly body: unknown;
  readonly warnings: readonly string[];
}

/** A wire family: how its providers want to be asked, and how they answer. */
export interface Wire {
  /** The adapter's name in the registry. */
  readonly adapter: string;
  readonly target: Partial<Target>;
  /** Who can read its signatures; null when it signs nothing. */
  readonly signs: string | null;
  /** Fails when the feature is not said in the family's own words. Features that only an answer has are not here. */
  readonly says: Readonly<Partial<Record<Feature, (sent: Sent) => void>>>;
  /** Fails when a structured answer is not asked for as a forced call of `JSON_TOOL`; absent where that is not the way. */
  readonly forcesTool?: (sent: Sent) => void;
  /** Fails when the reasoning is not sent back as it came. */
  readonly echoesThought: (sent: Sent) => void;
  /** A stream, by frames or by lines of messages where its framing is binary. */
  readonly stream: (answer: Answer) => string;
  readonly reply: (answer: Answer) => unknown;
  readonly tooMany: FailedResponse;
  /** Refusals come with words of their own. */
  readonly refusesInWords: boolean;
  /** What no answer of the format tells, with the reason: these cells are empty. */
  readonly untold?: Readonly<Partial<Record<Feature, string>>>;
  /** What the format cannot say, with a piece of the sentence that tells so instead of an answer. */
  readonly refuses: Readonly<Partial<Record<Feature, { readonly reason: string; readonly sentence: string }>>>;
}

/** Everything that an endpoint may take. */
export const PARAMETERS = [
  "max_tokens",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "structured_outputs",
  "reasoning",
] as const;

/** A member deep within a value; undefined when something on the way is missing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found: unknown = value;
  for (const step of path) {
    found =
      typeof found === "object" && found !== null ? (found as Readonly<Record<string, unknown>>)[step] : undefined;
  }
  return found;
}

/** The list at this place; empty when there is none. */
export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? (found as readonly unknown[]) : [];
}

/** The text at this place; empty when there is none. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

/** A call as read from a wire or a dialect, its arguments as JSON text. */
export function callOf(id: string, name: string, input: string): Call {
  return { id, name, input: JSON.parse(input) as JsonObject };
}

/** The payloads of a stream of server-sent events, `[DONE]` left out. */
export function payloads(stream: string): readonly unknown[] {
  return stream
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line) => JSON.parse(line.slice("data: ".length)) as unknown);
}

/** A text in two pieces, as it may come in a stream. */
export function pieces(text: string): readonly [string, string] {
  const middle = Math.floor(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)];
}

/** Frames of server-sent events. */
export function frames(values: readonly unknown[], named = false): string {
  return values
    .map((value) => `${named ? `event: ${textAt(value, "type")}\n` : ""}data: ${JSON.stringify(value)}\n\n`)
    .join("");
}

/** Headers of an answer. */
export function headers(values: Readonly<Record<string, string>>): FailedResponse["headers"] {
  return { get: (name) => values[name] ?? null };
}
