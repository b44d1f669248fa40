/** Bodies of upstreams as text, within limits: an answer's is read whole, an error's as far as it comes at once. */

/** Longest error body that is read from an upstream, and how long its end is waited for: the status says most of it. */
const ERROR_BODY_BYTES_MAX = 64 * 1024;
const ERROR_BODY_MS_MAX = 1_000;
/** Longest buffered answer: as long as the longest frame of a streamed one. */
const REPLY_BYTES_MAX = 32 * 1024 * 1024;

/** A whole body as text; null when it is longer than REPLY_BYTES_MAX. Rejects when it breaks. */
export async function readReplyText(response: Response): Promise<string | null> {
  const declared = response.headers.get("content-length");
  // Read natively where the length is known; packed, it says nothing of the text's.
  if (declared !== null && response.headers.get("content-encoding") === null) {
    return Number(declared) > REPLY_BYTES_MAX ? null : response.text();
  }
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > REPLY_BYTES_MAX) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** What there is of an error's body within ERROR_BODY_BYTES_MAX and ERROR_BODY_MS_MAX; the rest is left unread. */
export async function readErrorText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ERROR_BODY_MS_MAX);
  });
  try {
    while (bytes < ERROR_BODY_BYTES_MAX) {
      const read = await Promise.race([reader.read(), late]);
      if (read === null || read.value === undefined) break;
      bytes += read.value.byteLength;
      text += decoder.decode(read.value, { stream: true });
    }
  } catch {
    // A cut error is still an error: what was read and the status say enough.
  }
  clearTimeout(timer);
  return text;
}
