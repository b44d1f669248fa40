/**
 * Recognises a frame that differs from the one before only in its text.
 * In a stream of small text deltas every frame repeats id, model and shape; only the string after `"content":` changes.
 * Once a frame was parsed in full and gave nothing but a text delta of choice 0, a frame with the same bytes around
 * another JSON string says the same with another text, and need not be parsed in full. Everything else is: a frame that
 * differs anywhere, an empty text, a text that is no JSON string, and whatever comes after a frame that did more than
 * deliver text. Providers that vary each frame (padding, counters) simply never match.
 * Where such frames follow one another, with texts that need no unescaping, `run` takes them off the stream's text before
 * it is cut into lines; `match` has the others.
 */
import type { GenerationEvent } from "../core/event.ts";
import { parseJson } from "../core/json.ts";

export interface TextTemplate {
  /** The text of a frame that fits; undefined: parse it in full. */
  match(data: string): string | undefined;
  /**
   * The texts of whole frames that fit, from `from` in a stream's text on, into `out` as one event: as many as follow one
   * another without an escaped character. @returns where the next frame begins.
   */
  run(text: string, from: number, out: GenerationEvent[]): number;
  /** Learns from a frame that was parsed in full and became `events`. */
  learn(data: string, events: readonly GenerationEvent[]): void;
}

const KEY = '"content":';
/** What cannot stand in a JSON string as it is. */
// oxlint-disable-next-line no-control-regex -- control characters are the point: JSON forbids them in strings
const NOT_PLAIN = /["\\\u0000-\u001f]/;

/** A template for one stream; knows nothing at first. */
export function createTextTemplate(): TextTemplate {
  // Up to and with the opening quote; from and with the closing one. Empty: nothing was learned.
  let before = "";
  let after = "";
  /** The same with what makes them a frame. */
  let opening = "";
  let closing = "";
  /** What stands between two texts. */
  let joint = "";

  return {
    match(data) {
      if (before === "" || data.length <= before.length + after.length) return undefined;
      const end = data.length - after.length;
      // Pieces are compared as wholes: `startsWith` goes by characters, and takes workerd six times as long.
      if (data.slice(0, before.length) !== before || data.slice(end) !== after) return undefined;
      const inner = data.slice(before.length, end);
      if (!NOT_PLAIN.test(inner)) return inner;
      const text = parseJson(`"${inner}"`);
      return typeof text === "string" && text !== "" ? text : undefined;
    },
    run(text, from, out) {
      if (before === "" || text.slice(from, from + opening.length) !== opening) return from;
      const pieces: string[] = [];
      const escape = text.indexOf("\\", from);
      for (let start = from + opening.length; ;) {
        const quote = text.indexOf('"', start);
        if (quote <= start || (escape !== -1 && escape < quote)) break;
        // A frame's end and the next one's beginning at once: comparing is most of what a frame costs.
        const isFollowed = text.slice(quote, quote + joint.length) === joint;
        if (isFollowed || text.slice(quote, quote + closing.length) === closing) pieces.push(text.slice(start, quote));
        if (!isFollowed) break;
        start = quote + joint.length;
      }
      let whole = pieces.join("");
      if (NOT_PLAIN.test(whole)) {
        pieces.length = pieces.findIndex((piece) => NOT_PLAIN.test(piece));
        whole = pieces.join("");
      }
      if (pieces.length > 0) out.push(deltaOf(whole, pieces));
      return from + pieces.length * (opening.length + closing.length) + whole.length;
    },
    learn(data, events) {
      before = "";
      const [event] = events;
      if (events.length !== 1 || event?.type !== "text-delta" || event.choice !== 0) return;
      // It came in several lines: its two ends are no line's.
      if (data.includes("\n")) return;
      const key = data.indexOf(KEY);
      // Two of them: which one gave the text is not for us to guess.
      if (key === -1 || data.indexOf('"content"', key + 1) !== -1 || data.indexOf('"content"') !== key) return;
      const at = data.startsWith(" ", key + KEY.length) ? key + KEY.length + 1 : key + KEY.length;
      const literal = JSON.stringify(event.text);
      if (!data.startsWith(literal, at)) return;
      before = data.slice(0, at + 1);
      after = data.slice(at + literal.length - 1);
      opening = `data: ${before}`;
      closing = `${after}\n\n`;
      joint = closing + opening;
    },
  };
}

function deltaOf(text: string, pieces: readonly string[]): GenerationEvent {
  return pieces.length === 1
    ? { type: "text-delta", choice: 0, text }
    : { type: "text-delta", choice: 0, text, pieces };
}
