/**
 * What an error that nobody expected says to the log: its name and its place. Its message may hold anything (a key, a
 * prompt), and a stack repeats the message before its frames, so a place is told only where the two can be told apart.
 */

const PLAIN_NAME = /^[\w$]{1,60}$/;
/** What V8 writes before the message, and what it puts between the message and the first frame. */
const BEFORE_MESSAGE = /^[\w$]{1,60}: $/;
const WITHOUT_MESSAGE = /^[\w$]{1,60}(: )?$/;
const BEFORE_FRAMES = "\n    at ";

export interface BugFacts {
  readonly name: string;
  /** The first frame, `at function (file:line:column)`; null when it is not certain to be one. */
  readonly place: string | null;
}

/** Name and place of an error, without any part of its message. */
export function bugFactsOf(error: Error): BugFacts {
  return { name: PLAIN_NAME.test(error.name) ? error.name : "Error", place: placeOf(error.stack ?? "", error.message) };
}

function placeOf(stack: string, message: string): string | null {
  const at = message === "" ? stack.indexOf("\n") : stack.indexOf(message);
  if (at < 0) return null;
  const isHeader = (message === "" ? WITHOUT_MESSAGE : BEFORE_MESSAGE).test(stack.slice(0, at));
  const frames = stack.slice(at + message.length);
  if (!isHeader || !frames.startsWith(BEFORE_FRAMES)) return null;
  return frames.split("\n")[1]?.trim() ?? null;
}
