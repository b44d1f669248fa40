/**
 * UTF-8 bytes of one stream as text, whatever the cuts. A decoder of the platform's that remembers half a character costs
 * a stream more than all that it decodes (measured 2026-11-22: 18 µs to make one), and the pieces of nearly all streams
 * end with a line: those are decoded by two that are shared, and only a piece that ends inside a character gets its own.
 */
export interface Utf8Decoder {
  /** The text of `bytes`; half a character at their end comes with the next piece. */
  decode(bytes: Uint8Array): string;
  /** What is left of a character that was cut off. */
  end(): string;
}

const first = new TextDecoder();
/** A mark at the beginning of a later piece is a character. */
const later = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** A decoder of one stream, which may begin with a byte order mark. */
export function createUtf8Decoder(): Utf8Decoder {
  let own: TextDecoder | null = null;
  let isFirst = true;
  return {
    decode(bytes) {
      if (bytes.length === 0) return "";
      const isWhole = (bytes[bytes.length - 1] ?? 0) < 0x80;
      const shared = isFirst ? first : later;
      if (own === null && !isWhole) own = new TextDecoder("utf-8", { fatal: false, ignoreBOM: !isFirst });
      isFirst = false;
      return own === null ? shared.decode(bytes) : own.decode(bytes, { stream: true });
    },
    end: () => own?.decode() ?? "",
  };
}
