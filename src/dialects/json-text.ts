/** JSON written piece by piece, for the streams in which most of an event is the same each time. */

/** What JSON.stringify would escape: quotes, backslashes, control characters, and surrogates that may stand alone. */
// oxlint-disable-next-line no-control-regex -- control characters are the point: JSON escapes them
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/;

/** `text` as a JSON string; most pieces of text need no escapes. */
export function jsonString(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}
