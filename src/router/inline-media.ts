/**
 * Media that a client names by an address, for providers that fetch none: opened here, sent on as base64 inside the request
 * while it arrives. No file is ever whole in memory; a fallback to a provider that fetches for itself sends the address.
 * What is wrong with an address is the client's affair: it counts against no provider, and another one may be able to
 * fetch it.
 */
import { markOf, MARK_BYTES, type Arriving, type Segment } from "../core/attachments.ts";
import { base64Length, createBase64Encoder } from "../core/base64.ts";
import type { ChatRequest, Message, Part } from "../core/chat.ts";
import type { RandomBytes } from "../core/clock.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import { isYouTube } from "../core/video.ts";
import type { MediaKind } from "../providers/adapter.ts";

/** Addresses that one request may have fetched for it. */
const MEDIA_MAX = 16;
/** From the first byte that is asked for to the last one. */
const MEDIA_MS_MAX = 20_000;

/** What stands at an address: opened, its body unread. */
export interface OpenedMedia {
  /** As its server says, in lower case, without parameters; "" when it says nothing of use. */
  readonly type: string;
  /** Null when its server does not say. */
  readonly bytes: number | null;
  readonly body: ReadableStream<Uint8Array>;
}

export interface MediaPorts {
  readonly randomBytes: RandomBytes;
  /** Opens a public address. @returns a sentence for the client: why not. */
  readonly openMedia: (url: string, signal: AbortSignal) => Promise<Result<OpenedMedia, string>>;
}

/** Bytes of the largest that must stand in the request itself; null: the address may be sent. */
export type InlineRule = (kind: MediaKind, url: string) => number | null;

export interface Inlined {
  /** As it was, with marks for what was opened. */
  readonly request: ChatRequest;
  readonly byMark: ReadonlyMap<string, Segment>;
  /** Why something did not arrive whole; null as long as all is well. */
  fault(): UpstreamFailure | null;
  /** Stops what is still arriving. */
  close(): void;
}

interface Named {
  readonly kind: MediaKind;
  readonly url: string;
  readonly bytesMax: number;
}

/** Opens the media of a request that must be inlined. @returns a failure, for the client, when something cannot be had. */
export async function inlineMedia(
  request: ChatRequest,
  named: NamedMedia,
  ports: MediaPorts,
): Promise<Result<Inlined, UpstreamFailure>> {
  if (named.size > MEDIA_MAX) {
    return err(faulty("image", `At most ${MEDIA_MAX} addresses of media are fetched for one request; send data URLs.`));
  }
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), MEDIA_MS_MAX);
  const close = (): void => {
    clearTimeout(timer);
    controller.abort();
  };
  let fault: UpstreamFailure | null = null;
  const byMark = new Map<string, Segment>();
  const opened = await Promise.all(
    [...named].map(async ([part, one]) => ({ part, one, media: await open(one, controller.signal, ports) })),
  );
  const dataUrls = new Map<Part, string>();
  for (const { part, one, media } of opened) {
    if (!media.ok) {
      close();
      return err(faulty(one.kind, media.error));
    }
    const mark = markOf(ports.randomBytes(MARK_BYTES));
    dataUrls.set(part, `data:${media.value.type};base64,${mark}`);
    byMark.set(
      mark,
      arriving(one, media.value, (message) => (fault ??= faulty(one.kind, message))),
    );
  }
  return ok({ request: withUrls(request, dataUrls), byMark, fault: () => fault, close });
}

/** What must be inlined; empty for nearly all. An address that stands in two parts is fetched for each: it arrives once. */
export type NamedMedia = ReadonlyMap<Part, Named>;

export function namedMedia(request: ChatRequest, rule: InlineRule): NamedMedia {
  const named = new Map<Part, Named>();
  for (const message of request.messages) {
    for (const part of message.parts) {
      const media = mediaOf(part);
      if (media === null) continue;
      const bytesMax = rule(media.kind, media.url);
      if (bytesMax !== null) named.set(part, { ...media, bytesMax });
    }
  }
  return named;
}

function mediaOf(part: Part): { readonly kind: MediaKind; readonly url: string } | null {
  if (part.type === "text" || part.type === "audio") return null;
  // A page to watch is no file: nobody fetches it.
  if (part.type === "video" && (part.frames !== undefined || isYouTube(part.url))) return null;
  const url = part.type === "file" ? part.data : part.url;
  return url === undefined || !/^https?:/i.test(url) ? null : { kind: part.type, url };
}

async function open({ kind, url, bytesMax }: Named, signal: AbortSignal, ports: MediaPorts) {
  const opened = await ports.openMedia(url, signal);
  if (!opened.ok) return opened;
  const { bytes, type: said } = opened.value;
  const { host } = new URL(url);
  if (bytes !== null && bytes > bytesMax) return err(tooLarge(kind, host, bytesMax));
  const type = said === "" || said === "application/octet-stream" ? (typeOfPath(url) ?? said) : said;
  const isOfKind = kind === "file" ? type !== "" && !type.startsWith("text/html") : type.startsWith(`${kind}/`);
  if (isOfKind) return ok({ ...opened.value, type });
  return err(`The ${kind} at ${host} has ${type === "" ? "no content type" : `the content type ${type}`}.`);
}

const TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  mp4: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  pdf: "application/pdf",
};

function typeOfPath(url: string): string | undefined {
  const ending = /\.([a-z0-9]+)$/i.exec(new URL(url).pathname)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(TYPES, ending) ? TYPES[ending] : undefined;
}

function arriving({ kind, url, bytesMax }: Named, media: OpenedMedia, fail: (message: string) => void): Arriving {
  const { host } = new URL(url);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const encoder = createBase64Encoder();
    let bytes = 0;
    try {
      for await (const piece of media.body) {
        bytes += piece.length;
        if (bytes > bytesMax) fail(tooLarge(kind, host, bytesMax));
        if (bytes > bytesMax) throw new Error("too large");
        yield encoder.feed(piece);
      }
      if (media.bytes !== null && media.bytes !== bytes) throw new Error("another length than was said");
    } catch (error) {
      // The first word counts.
      fail(`The ${kind} at ${host} broke off.`);
      throw error;
    }
    yield encoder.end();
  }
  return { length: media.bytes === null ? null : base64Length(media.bytes), pieces: pieces() };
}

function tooLarge(kind: MediaKind, host: string, bytesMax: number): string {
  return `The ${kind} at ${host} is larger than the ${bytesMax} bytes that this provider takes.`;
}

function withUrls(request: ChatRequest, dataUrls: ReadonlyMap<Part, string>): ChatRequest {
  const partWith = (part: Part): Part => {
    const url = dataUrls.get(part);
    if (url === undefined) return part;
    if (part.type === "file") return { ...part, data: url };
    return part.type === "image" || part.type === "video" ? { ...part, url } : part;
  };
  const messages = request.messages.map((message): Message =>
    message.role === "user" || message.role === "tool" ? { ...message, parts: message.parts.map(partWith) } : message,
  );
  return { ...request, messages };
}

function faulty(kind: MediaKind, message: string): UpstreamFailure {
  return {
    scope: "request",
    retry: "elsewhere",
    status: 400,
    errorType: kind === "image" ? "image_download_failed" : "invalid_request",
    message,
    providerCode: "media_fetch_failed",
    raw: null,
    retryAfterMs: null,
  };
}
