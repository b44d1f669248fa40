/** From a request to what one provider is sent: media that it must have inlined, its wire format, the media's bytes. */
import { spliced, type Segment, type WholeSegment } from "../core/attachments.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Adapter, OutgoingRequest, Target } from "../providers/adapter.ts";
import type { Outgoing } from "./attempt.ts";
import { inlineMedia, namedMedia, type MediaPorts, type NamedMedia } from "./inline-media.ts";
import type { RunInput } from "./run-plan.ts";

export interface Prepared {
  readonly outgoing: Outgoing;
  /** What is signed: the same, whole before it is sent where its bytes are; null where nothing is. */
  readonly unsigned: OutgoingRequest | null;
  readonly warnings: readonly string[];
  /** The attempt is over. */
  done(): void;
}

/** What is held of media for a request that is signed: as much as a body may have that brings its own. */
const WHOLE_BYTES_MAX = 25 * 1024 * 1024;

const NOTHING = (): void => undefined;

type Request = Pick<RunInput, "request" | "attachments">;

/**
 * No promise where no address must be inlined.
 * @returns a failure that is the request's own when it cannot be said at this provider.
 */
export function prepare(
  adapter: Adapter,
  target: Target,
  input: Request,
  ports: MediaPorts,
): Result<Prepared, UpstreamFailure> | Promise<Result<Prepared, UpstreamFailure>> {
  const named = namedMedia(input.request, (kind, url) => adapter.inlineBytesMax?.(kind, url, target) ?? null);
  if (named.size > 0) return prepareInlined(adapter, target, input, named, ports);
  const encoded = adapter.encode(input.request, target);
  if (!encoded.ok) return err(unsayable(encoded.error));
  const { url, headers, body, warnings } = encoded.value;
  const outgoing = { url, headers, body: input.attachments?.splice(body) ?? body };
  return ok({ outgoing, unsigned: adapter.authorize === undefined ? null : outgoing, warnings, done: NOTHING });
}

async function prepareInlined(
  adapter: Adapter,
  target: Target,
  { request, attachments }: Request,
  named: NamedMedia,
  ports: MediaPorts,
): Promise<Result<Prepared, UpstreamFailure>> {
  const inlined = await inlineMedia(request, named, ports);
  if (!inlined.ok) return inlined;
  const { byMark, fault, close } = inlined.value;
  const encoded = adapter.encode(inlined.value.request, target);
  if (!encoded.ok) {
    close();
    return err(unsayable(encoded.error));
  }
  const { url, headers, body, warnings } = encoded.value;
  const segments = (attachments?.splice(body) ?? [body]).flatMap((segment): readonly Segment[] =>
    typeof segment === "string" ? spliced(segment, byMark) : [segment],
  );
  if (adapter.signsBody !== true) {
    const unsigned = adapter.authorize === undefined ? null : { url, headers, body: null };
    return ok({ outgoing: { url, headers, body: segments, fault }, unsigned, warnings, done: close });
  }
  try {
    const whole = { url, headers, body: await wholeOf(segments) };
    return ok({ outgoing: whole, unsigned: whole, warnings, done: close });
  } catch {
    close();
    return err(fault() ?? unsayable("The media could not be read."));
  }
}

/** What is still arriving, waited for: a signature is over all of a body. Rejects when it breaks off. */
async function wholeOf(segments: readonly Segment[]): Promise<readonly WholeSegment[]> {
  const whole: WholeSegment[] = [];
  let bytes = 0;
  for (const segment of segments) {
    if (typeof segment === "string" || segment instanceof Uint8Array) {
      whole.push(segment);
      continue;
    }
    for await (const piece of segment.pieces) {
      bytes += piece.length;
      if (bytes > WHOLE_BYTES_MAX) throw new Error("too much to be held");
      whole.push(piece);
    }
  }
  return whole;
}

function unsayable(message: string): UpstreamFailure {
  return {
    scope: "request",
    retry: "elsewhere",
    status: 400,
    errorType: "invalid_request",
    message,
    providerCode: null,
    raw: null,
    retryAfterMs: null,
  };
}
