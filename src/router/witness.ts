/**
 * What of an answer its form is judged by: the calls of tools, and the text where JSON was asked for. Kept while the answer
 * goes by, in this isolate's memory alone, for requests with tools or with structured output; no others have a witness.
 * Limits: KEPT_CHARS_MAX characters and CALLS_MAX calls; of an answer that has more nothing is kept, and nothing is judged.
 */
import type { ChatRequest } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";

/** What an answer said, once it is over. */
export interface Testimony {
  readonly calls: readonly { readonly name: string; readonly input: string }[];
  /** By choice. */
  readonly texts: readonly string[];
  readonly isRefusal: boolean;
  /** It ended for a length, a filter or a fault: what it lacks is not the endpoint's doing. */
  readonly isCut: boolean;
}

export interface Witness {
  /** Takes note of events; synchronous, and cheap for whatever it does not keep. */
  add(events: readonly GenerationEvent[]): void;
  /** Null: there was more than is kept. */
  read(): Testimony | null;
}

/** An answer of more text or input than that is not judged. */
const KEPT_CHARS_MAX = 64 * 1024;
const CALLS_MAX = 64;
/** Pieces are joined when there are so many: a token's own string takes five times its letters. */
const PIECES_MAX = 256;

/** Null where nothing of the answer will be judged. */
export function witnessFor({ tools, responseFormat, task }: ChatRequest): Witness | null {
  const keepsText = responseFormat !== undefined && responseFormat.kind !== "text";
  if ((tools.length === 0 && !keepsText) || task !== undefined) return null;
  return createWitness(keepsText);
}

/** Calls of one choice are far fewer. */
const CALLS_PER_CHOICE = 4_096;

/** A number, since a text would be made for each piece of a call. */
function keyOf(choice: number, index: number): number {
  return choice * CALLS_PER_CHOICE + index;
}

interface Kept {
  readonly name: string;
  readonly pieces: string[];
}

function createWitness(keepsText: boolean): Witness {
  const calls = new Map<number, Kept>();
  const texts = new Map<number, Kept>();
  let chars = 0;
  let isTooLong = false;
  let isRefusal = false;
  let isCut = false;

  const keep = (kept: Kept | undefined, text: string): void => {
    chars += text.length;
    if (kept === undefined) return;
    kept.pieces.push(text);
    if (kept.pieces.length >= PIECES_MAX) kept.pieces.splice(0, PIECES_MAX, kept.pieces.join(""));
  };
  const textOf = (choice: number): Kept => {
    const known = texts.get(choice);
    if (known !== undefined) return known;
    const fresh = { name: "", pieces: [] };
    texts.set(choice, fresh);
    return fresh;
  };
  const note = (event: GenerationEvent): void => {
    switch (event.type) {
      case "tool-start":
        calls.set(keyOf(event.choice, event.index), { name: event.name, pieces: [] });
        break;
      case "tool-input-delta":
        keep(calls.get(keyOf(event.choice, event.index)), event.text);
        break;
      case "text-delta":
        if (keepsText) keep(textOf(event.choice), event.text);
        break;
      case "refusal-delta":
        isRefusal = true;
        break;
      case "finish":
        isCut ||= event.reason !== "stop" && event.reason !== "tool_calls";
        break;
      default:
    }
  };

  return {
    add(events) {
      if (isTooLong) return;
      for (const event of events) note(event);
      if (chars <= KEPT_CHARS_MAX && calls.size <= CALLS_MAX) return;
      isTooLong = true;
      calls.clear();
      texts.clear();
    },
    read() {
      if (isTooLong) return null;
      return {
        calls: [...calls.values()].map(({ name, pieces }) => ({ name, input: pieces.join("") })),
        texts: [...texts.values()].map(({ pieces }) => pieces.join("")),
        isRefusal,
        isCut,
      };
    },
  };
}
