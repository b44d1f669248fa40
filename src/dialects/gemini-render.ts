/**
 * A streamed answer as chunks of `GenerateContentResponse`: server-sent events with `?alt=sse`, else the elements of one
 * JSON array. Each content event becomes one chunk at most. Finish reasons and usage stand in the last one, together: the
 * chats of Google's SDK forget a turn in which any chunk has no content. A stream that breaks ends with a chunk that holds
 * `error`.
 * Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent (accessed 2026-11-21).
 */
import { oneByOne, type FinishReason, type GenerationEvent } from "../core/event.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { AnswerHead, StreamRenderer } from "./dialect.ts";
import { createPartMaker, type PartMaker } from "./gemini-parts.ts";
import {
  errorJson,
  finishReasonOf,
  logprobsResultOf,
  namesOf,
  showsThoughts,
  usageMetadataOf,
} from "./gemini-reply.ts";

/** How chunks stand in a stream. */
export interface Framing {
  /** Before the first chunk, before each further one, behind each, and behind all. */
  readonly first: string;
  readonly next: string;
  readonly after: string;
  readonly last: string;
}

export const AS_EVENTS: Framing = { first: "data: ", next: "data: ", after: "\r\n\r\n", last: "" };
export const AS_ARRAY: Framing = { first: "[", next: ",\r\n", after: "", last: "]" };

/** The format's reason, and the parts that go with it. */
interface Ending {
  readonly reason: string;
  readonly parts: readonly JsonObject[];
}

interface OpenChoice {
  readonly maker: PartMaker;
  /** Null as long as the choice goes on. */
  ending: Ending | null;
}

/** What stands where there is nothing to say: clients take a candidate without content for none. */
const NOTHING: readonly JsonObject[] = [{ text: "" }];

/** A renderer for one answer. */
export function createGeminiRenderer(head: AnswerHead, framing: Framing): StreamRenderer {
  const names = JSON.stringify(namesOf(head)).slice(1);
  const { choices, openOf } = createOpenChoices(showsThoughts(head));
  let hasBegun = false;

  const framed = (json: string): string => {
    const before = hasBegun ? framing.next : framing.first;
    hasBegun = true;
    return before + json + framing.after;
  };
  const content = (choice: number, parts: readonly JsonObject[]): string =>
    parts.length === 0 ? "" : framed(`{"candidates":[${candidate(choice, parts)}],${names}`);
  const rendered = (event: GenerationEvent): string => {
    switch (event.type) {
      // The spine acts on these two: the last usage comes with the tail, a failure with `fail`.
      case "start":
      case "usage":
      case "error":
      // Nobody asks for a task in a conversation.
      case "outcome":
        return "";
      case "finish":
        finish(openOf(event.choice), event.reason, event.nativeReason);
        return "";
      case "logprobs":
        return logprobs(event.choice, event.logprobs);
      default:
        return content(event.choice, openOf(event.choice).maker.add(event));
    }
  };
  const logprobs = (choice: number, piece: Json): string => {
    openOf(choice);
    const result = logprobsResultOf([piece]);
    if (result === null) return "";
    const members = `"logprobsResult":${JSON.stringify(result)},`;
    return framed(`{"candidates":[${candidate(choice, NOTHING, members)}],${names}`);
  };

  return {
    render(events) {
      let out = "";
      for (const event of oneByOne(events)) out += rendered(event);
      return out;
    },
    end(tail) {
      if (choices.size === 0) openOf(0);
      const { reason, nativeReason } = tail.cut ?? { reason: "stop" as const, nativeReason: null };
      const ended: string[] = [];
      for (const [choice, open] of choices) {
        const ending = finish(open, reason, nativeReason);
        const parts = ending.parts.length === 0 ? NOTHING : ending.parts;
        ended.push(candidate(choice, parts, `"finishReason":"${ending.reason}",`));
      }
      const metadata = tail.metadata === null ? "" : `"openrouter_metadata":${JSON.stringify(tail.metadata)},`;
      const usage = `"usageMetadata":${JSON.stringify(usageMetadataOf(tail))}`;
      return `${framed(`{"candidates":[${ended.join(",")}],${usage},${metadata}${names}`)}${framing.last}`;
    },
    fail(face, tail) {
      let out = "";
      for (const [choice, { ending }] of choices) out += content(choice, ending?.parts ?? []);
      const usage = `"usageMetadata":${JSON.stringify(usageMetadataOf(tail))}`;
      return `${out}${framed(`{"error":${JSON.stringify(errorJson(face))},${usage},${names}`)}${framing.last}`;
    },
  };
}

interface OpenChoices {
  /** In the order they began. */
  readonly choices: ReadonlyMap<number, OpenChoice>;
  openOf(choice: number): OpenChoice;
}

function createOpenChoices(shows: boolean): OpenChoices {
  const choices = new Map<number, OpenChoice>();
  return {
    choices,
    openOf(choice) {
      const known = choices.get(choice);
      if (known !== undefined) return known;
      const fresh: OpenChoice = { maker: createPartMaker(shows), ending: null };
      choices.set(choice, fresh);
      return fresh;
    },
  };
}

function candidate(choice: number, parts: readonly JsonObject[], members = ""): string {
  return `{"content":{"parts":${JSON.stringify(parts)},"role":"model"},${members}"index":${choice}}`;
}

/** Ends a choice; the first reason counts. */
function finish(open: OpenChoice, reason: FinishReason, native: string | null): Ending {
  const parts = open.maker.end();
  open.ending ??= { reason: finishReasonOf(reason, native, open.maker.hasRefused()), parts };
  return open.ending;
}
