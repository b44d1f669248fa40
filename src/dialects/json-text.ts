/** JSON written piece by piece, for the streams in which most of an event is the same each time. */

/** What JSON.stringify would escape: quotes, backslashes, control characters, and surrogates that may stand alone. */
// oxlint-disable-next-line no-control-regex -- control characters are the point: JSON escapes them
const ESCAPED = /["\\\u0000-\u001f\ud800-\udfff]/;

/** True for a text that takes more than quotes to be a JSON string; most do not. */
export function needsEscape(text: string): boolean {
  return ESCAPED.test(text);
}

/** `text` as a JSON string. */
export function jsonString(text: string): string {
  return needsEscape(text) ? JSON.stringify(text) : `"${text}"`;
}
