/**
 * What the benchmark aims at: an address, the headers it wants, and its names for the upstream's models.
 * Crosses process borders as JSON.
 */

export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The target's model names by role. */
  readonly models: ModelNames;
  /** Every answer must carry the exact cost. */
  readonly isPriced: boolean;
}

export interface ModelNames {
  readonly buffered: string;
  readonly fast: string;
  readonly brief: string;
  readonly slow: string;
  readonly big: string;
}
export type Role = keyof ModelNames;

/** The upstream's own names. */
export const UPSTREAM_MODELS: ModelNames = {
  buffered: "bench-buffered",
  fast: "bench-fast-200",
  brief: "bench-fast-5",
  slow: "bench-slow-50ms",
  big: "bench-50mib",
};

/** The names in the catalog that the bench publishes. */
export const CATALOG_MODELS: ModelNames = {
  buffered: "bench/buffered",
  fast: "bench/fast",
  brief: "bench/brief",
  slow: "bench/slow",
  big: "bench/big",
};

/** The whole request for `role`, as bytes; `content` replaces the user's message. */
export function requestBytes(
  target: Target,
  role: Role,
  content: unknown = "Say something of about three hundred tokens.",
): Buffer {
  const body = JSON.stringify({
    model: target.models[role],
    messages: [
      { role: "system", content: "You are the upstream of a benchmark." },
      { role: "user", content },
    ],
    temperature: 0.5,
    max_tokens: 20_000,
    stream: role !== "buffered",
    // Upstreams of this family report usage in a stream only when asked.
    ...(role === "buffered" ? {} : { stream_options: { include_usage: true } }),
  });
  const headers = Object.entries(target.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${target.path} HTTP/1.1\r\nhost: ${target.host}:${target.port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n${headers.join("")}\r\n${body}`,
  );
}

/** A target at `url`, which may or may not hold the path. */
export function targetAt(
  name: string,
  url: string,
  rest: { headers?: Readonly<Record<string, string>>; models?: ModelNames; isPriced?: boolean } = {},
): Target {
  const parsed = new URL(url);
  return {
    name,
    host: parsed.hostname,
    port: Number(parsed.port),
    path: parsed.pathname === "/" ? "/v1/chat/completions" : parsed.pathname,
    headers: rest.headers ?? {},
    models: rest.models ?? UPSTREAM_MODELS,
    isPriced: rest.isPriced ?? false,
  };
}
