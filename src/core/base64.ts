/** Base64 by pieces: bytes of any cut in, whole groups out, so that a file is encoded while it is still arriving. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));
const PADDING = "=".charCodeAt(0);

export interface Base64Encoder {
  /** The ASCII of all groups that are complete; what is over waits for the next piece. */
  feed(bytes: Uint8Array): Uint8Array;
  /** The last group, padded; empty when nothing is over. */
  end(): Uint8Array;
}

/** Characters that so many bytes become, padding included. */
export function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}

export function createBase64Encoder(): Base64Encoder {
  // 0 to 2 bytes that do not make a group yet.
  let rest = new Uint8Array();
  return {
    feed(bytes) {
      let from = 0;
      let first = new Uint8Array();
      if (rest.length > 0) {
        from = Math.min(3 - rest.length, bytes.length);
        const group = joined(rest, bytes.subarray(0, from));
        if (group.length < 3) {
          rest = group;
          return first;
        }
        first = encoded(group);
      }
      const until = from + 3 * Math.floor((bytes.length - from) / 3);
      rest = bytes.slice(until);
      const main = encoded(bytes.subarray(from, until));
      return first.length === 0 ? main : joined(first, main);
    },
    end() {
      const last = encoded(rest);
      rest = new Uint8Array();
      return last;
    },
  };
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

function encoded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(base64Length(bytes.length));
  let to = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    out[to++] = CODES[group >> 18] ?? 0;
    out[to++] = CODES[(group >> 12) & 63] ?? 0;
    out[to++] = CODES[(group >> 6) & 63] ?? 0;
    out[to++] = CODES[group & 63] ?? 0;
  }
  const over = bytes.length % 3;
  if (over > 0) out.fill(PADDING, out.length - 3 + over);
  return out;
}
