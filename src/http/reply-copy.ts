/**
 * A copy of an answer while it is delivered, in bounded memory: at most ANSWER_CHARS_MAX of one answer and
 * IN_FLIGHT_CHARS_MAX of all that this isolate copies at once. What is beyond is not kept at all; the answer itself is
 * never held up.
 */
import type { AnswerCopy } from "../router/job.ts";

/** Characters of one answer; what it takes as UTF-8 is checked again before it is stored. */
export const ANSWER_CHARS_MAX = 4 * 1024 * 1024;
const IN_FLIGHT_CHARS_MAX = 12 * 1024 * 1024;

// Characters of the copies that this isolate holds now.
let inFlightChars = 0;

/** What was copied of an answer that has ended. */
export interface Copied {
  /** It cost something, or it is whole: then it must not be made again. */
  readonly isCharged: boolean;
  /** Its client left before the end of the stream. */
  readonly hasLeft: boolean;
  /** The request wants nothing kept. */
  readonly isWithheld: boolean;
  /** Null when it was too large to copy. */
  readonly text: string | null;
}

export interface ReplyCopy extends AnswerCopy {
  /** Resolves when the stream has ended. */
  readonly closed: Promise<void>;
  read(): Copied;
  /** Gives the memory back. */
  release(): void;
}

/** A copy of one answer. */
export function createReplyCopy(): ReplyCopy {
  let pieces: string[] | null = [];
  let chars = 0;
  let isCharged = false;
  let hasLeft = false;
  let isWithheld = false;
  let resolveClosed: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    resolveClosed = resolve;
  });
  const release = (): void => {
    inFlightChars -= chars;
    chars = 0;
    pieces = null;
  };
  return {
    closed,
    add(text) {
      if (pieces === null) return;
      if (isWithheld || chars + text.length > ANSWER_CHARS_MAX || inFlightChars + text.length > IN_FLIGHT_CHARS_MAX) {
        return release();
      }
      pieces.push(text);
      chars += text.length;
      inFlightChars += text.length;
    },
    ended(how) {
      isCharged = how.isCharged;
      hasLeft = how.hasLeft;
    },
    close: () => resolveClosed(),
    withhold() {
      isWithheld = true;
    },
    read: () => ({ isCharged, hasLeft, isWithheld, text: pieces === null ? null : pieces.join("") }),
    release,
  };
}
