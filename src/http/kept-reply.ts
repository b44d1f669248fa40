/**
 * An answer as it is kept: status, headers and body in one text, sealed in pieces. The key is bound to the account and the
 * reply's id; each piece's label to its place. Nothing but sealed bytes leaves the isolate.
 */
import * as z from "zod";
import { bytesKey, openBytes, sealBytes } from "../accounts/seal-bytes.ts";
import type { RandomBytes } from "../core/clock.ts";
import { parseJson } from "../core/json.ts";

/** Of a piece before it is sealed; with 28 bytes more it fits a row. */
const PIECE_BYTES = 1024 * 1024;
/** Pieces of the largest answer that is kept: 4 MiB. */
const PIECES_MAX = 4;

/** What comes before the body, on a line of its own. */
const Head = z.object({ status: z.int(), headers: z.record(z.string(), z.string()) });
type Head = z.infer<typeof Head>;

/** Seals an answer. @returns null when it is larger than what is kept. */
export async function sealReply(
  head: Head,
  body: string,
  sealing: { readonly context: string; readonly secret: string; readonly random: RandomBytes },
): Promise<readonly Uint8Array[] | null> {
  const plain = new TextEncoder().encode(`${JSON.stringify(head)}\n${body}`);
  if (plain.byteLength > PIECES_MAX * PIECE_BYTES) return null;
  const key = await bytesKey(sealing.secret, sealing.context);
  const count = Math.ceil(plain.byteLength / PIECE_BYTES);
  return await Promise.all(
    Array.from({ length: count }, (_, at) =>
      sealBytes(plain.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES), key, labelOf(at, count), sealing.random),
    ),
  );
}

/**
 * Opens an answer piece by piece. `read` gets the pieces after the first.
 * @returns the head, and the body as chunks; null when no secret opens it. A piece that is gone breaks the body off.
 */
export async function openReply(
  first: Uint8Array,
  count: number,
  opening: { readonly context: string; readonly secrets: readonly string[] },
  read: (at: number) => Promise<Uint8Array | null>,
): Promise<{ readonly head: Head; readonly body: ReadableStream<Uint8Array> } | null> {
  for (const secret of opening.secrets) {
    const key = await bytesKey(secret, opening.context);
    const plain = await openBytes(first, key, labelOf(0, count));
    if (plain === null) continue;
    const end = plain.indexOf(10);
    const head = Head.safeParse(parseJson(new TextDecoder().decode(plain.subarray(0, end))));
    if (end === -1 || !head.success) return null;
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (at === 0) controller.enqueue(plain.subarray(end + 1));
        else controller.enqueue(await pieceAt(at, count, key, read));
        at++;
        if (at >= count) controller.close();
      },
    });
    return { head: head.data, body };
  }
  return null;
}

async function pieceAt(
  at: number,
  count: number,
  key: CryptoKey,
  read: (at: number) => Promise<Uint8Array | null>,
): Promise<Uint8Array> {
  const sealed = await read(at);
  const plain = sealed === null ? null : await openBytes(sealed, key, labelOf(at, count));
  // The answer was evicted while it was read: a broken connection is the honest end of what has begun.
  if (plain === null) throw new Error("a piece of the kept answer is gone");
  return plain;
}

function labelOf(at: number, count: number): string {
  return `${at}/${count}`;
}
