/**
 * Answers that are not in the first answer: a provider begins a prediction, which is then streamed, or asked for until it
 * is over. One of these belongs to one attempt and stands in the place of its `fetch`; the attempt's deadlines and signal
 * hold for everything but the words that stop a prediction, which are sent when the attempt is already gone.
 * A provider names addresses in its answers. Only those of the first request's origin get the credential; another one is
 * asked for nothing but a stream, and only when it is public, https and on a host that the provider's data names.
 */
import type { ChatRequest } from "../core/chat.ts";
import type { Clock, EpochMs } from "../core/clock.ts";
import { isContent } from "../core/event.ts";
import { parseJson } from "../core/json.ts";
import { publicUrl } from "../core/public-url.ts";
import type { SseFrame } from "../core/sse.ts";
import { NO_USAGE } from "../core/usage.ts";
import {
  STATE_FRAME,
  type Following,
  type FurtherRequest,
  type Prediction,
  type Target,
} from "../providers/adapter.ts";
import type { RouterPorts } from "./ports.ts";
import { readReplyText } from "./reply-text.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

/** Pauses before a state is asked for again: as the provider's own client does, then longer. */
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 2_000;
/** States in a row that may fail (a limit of requests, a restart) before the answer is given up. */
const FAILURES_MAX = 5;
/** After a stream its last state is waited for no longer than this: without it, usage is estimated. */
const LAST_MS_MAX = 5_000;
const LAST_PAUSE_MS = 250;
/** How long an attempt that is gone still waits to learn what it began, and then to stop it. */
const CANCEL_MS_MAX = 10_000;

const BEGUN: ReadonlySet<number> = new Set([200, 201, 202]);

type Ports = Pick<RouterPorts, "clock" | "fetch" | "waitUntil">;
type Init = RequestInit & { readonly signal: AbortSignal };

export interface Followed {
  /** In place of `fetch`: the answer is a 200 with the stream or the last state, or what went wrong. Rejects like it. */
  send(url: string, init: Init, onBegun: () => void): Promise<Response>;
  /**
   * The answer's stream. One that breaks off, or whose last state is not to be had, has used its hardware all the same, and
   * nobody says how long: then the time since its first word counts, which is less.
   */
  timed(stream: UpstreamStream): UpstreamStream;
  /** After a stream: its prediction's last state, if it can be had. Never rejects. */
  last(): Promise<readonly SseFrame[]>;
  /** Stops what the provider still does. Idempotent; safe at any time. */
  cancel(): void;
}

/** Follows the answers of one attempt. */
export function follow(following: Following, request: ChatRequest, target: Target, ports: Ports): Followed {
  let prediction: Prediction | null = null;
  let signal: AbortSignal | null = null;
  let isLeft = false;
  let isStopped = false;

  const stop = (): void => {
    if (prediction === null || prediction.isOver || isStopped) return;
    isStopped = true;
    const stopping = ask(prediction.cancel, AbortSignal.timeout(CANCEL_MS_MAX), ports);
    ports.waitUntil(stopping.then(discard, () => undefined));
  };

  /** What a state says. Returns it as an answer when it is all there will be. */
  const take = (text: string): Response | null => {
    const found = following.predictionOf(parseJson(text), target);
    if (found !== null) prediction = found;
    if (isLeft) stop();
    return found === null || found.isOver ? replyOf(text) : null;
  };

  return {
    async send(url, init, onBegun) {
      signal = init.signal;
      const begun = await begin(url, init, take, ports);
      if (begun.text === null) return begun.response;
      onBegun();
      const over = take(begun.text);
      if (over !== null || prediction === null) return over ?? replyOf("");
      const { stream } = prediction;
      if (request.stream && stream !== null && mayAsk(stream.url, url, following.hosts(target))) {
        const opened = await ask(isSameOrigin(stream.url, url) ? stream : bare(stream), init.signal, ports);
        if (opened.status === 200) return opened;
        await discard(opened);
      }
      return untilOver(prediction.state, take, init.signal, ports);
    },
    timed: (stream) => timedStream(stream, ports.clock),
    async last() {
      if (prediction === null || prediction.isOver || signal === null) return [];
      const text = await lastState(prediction.state, take, signal, ports);
      return text === null ? [] : [{ event: STATE_FRAME, data: text }];
    },
    cancel() {
      isLeft = true;
      stop();
    },
  };
}

function timedStream(stream: UpstreamStream, clock: Clock): UpstreamStream {
  let firstMs: EpochMs | null = null;
  let isTold = false;
  return {
    async next() {
      const events = await stream.next();
      if (events === null) return null;
      isTold ||= events.some((event) => event.type === "usage");
      if (firstMs === null && events.some(isContent)) firstMs = clock();
      const isEnd = events.some(({ type }) => type === "error" || type === "finish");
      if (isTold || firstMs === null || !isEnd) return events;
      const work = { hardwareMs: Math.max(1, clock() - firstMs) };
      return [{ type: "usage", usage: { ...NO_USAGE, work } }, ...events];
    },
    isOver: () => stream.isOver(),
    // There may be a prediction to be stopped even so.
    isSpent: () => false,
    linger: () => null,
  };
}

interface Begun {
  readonly response: Response;
  /** Null: nothing has begun. */
  readonly text: string | null;
}

/**
 * The first request. What has begun goes on without us, and has no name until it has answered: an attempt that is gone
 * hears it to its end all the same, so that `take` can stop it. Rejects at once when the signal fires.
 */
function begin(url: string, init: Init, take: (text: string) => unknown, ports: Ports): Promise<Begun> {
  const creation = new AbortController();
  const { signal } = init;
  const begun = answered(ports.fetch(url, { ...init, signal: creation.signal }));
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(new Error("aborted"));
      const timer = setTimeout(() => creation.abort(), CANCEL_MS_MAX);
      const heard = begun.then(
        ({ text }) => void (text !== null && take(text)),
        () => undefined,
      );
      ports.waitUntil(heard.then(() => clearTimeout(timer)));
    };
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    void begun.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

async function answered(fetching: Promise<Response>): Promise<Begun> {
  const response = await fetching;
  return { response, text: BEGUN.has(response.status) ? ((await readReplyText(response)) ?? "") : null };
}

/** Asks for a state until it is the last one, or an answer that is no state. Rejects when `signal` fires. */
async function untilOver(
  state: FurtherRequest,
  take: (text: string) => Response | null,
  signal: AbortSignal,
  ports: Ports,
): Promise<Response> {
  let failures = 0;
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 1.5, PAUSE_MS_MAX)) {
    await pause(pauseMs, signal);
    const response = await ask(state, signal, ports);
    if (BEGUN.has(response.status)) {
      failures = 0;
      const over = take((await readReplyText(response)) ?? "");
      if (over !== null) return over;
    } else {
      const isPassing = response.status === 429 || response.status >= 500;
      if (!isPassing || ++failures === FAILURES_MAX) return response;
      await discard(response);
    }
  }
}

/** The last state as text; null when it does not come in time. */
async function lastState(
  state: FurtherRequest,
  take: (text: string) => Response | null,
  signal: AbortSignal,
  ports: Ports,
): Promise<string | null> {
  const endMs = ports.clock() + LAST_MS_MAX;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(LAST_MS_MAX)]);
  try {
    while (ports.clock() < endMs) {
      const response = await ask(state, limited, ports);
      if (!BEGUN.has(response.status)) return null;
      const text = (await readReplyText(response)) ?? "";
      if (take(text) !== null) return text;
      await pause(LAST_PAUSE_MS, limited);
    }
  } catch {
    // The answer is whole without it.
  }
  return null;
}

function ask({ method, url, headers }: FurtherRequest, signal: AbortSignal, ports: Ports): Promise<Response> {
  return ports.fetch(url, { method, headers, redirect: "manual", signal });
}

function mayAsk(url: string, first: string, hosts: readonly string[]): boolean {
  if (isSameOrigin(url, first)) return true;
  const judged = publicUrl(url);
  return judged.ok && hosts.some((host) => isOn(judged.value.hostname, host));
}

function isOn(hostname: string, host: string): boolean {
  return host.startsWith("*.") ? hostname.endsWith(host.slice(1)) : hostname === host;
}

function isSameOrigin(url: string, first: string): boolean {
  return URL.parse(url)?.origin === new URL(first).origin;
}

/** Without anything that may be a secret. */
function bare({ method, url, headers }: FurtherRequest): FurtherRequest {
  const { accept } = headers;
  return { method, url, headers: accept === undefined ? {} : { accept } };
}

function replyOf(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/json" } });
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

/** Rejects when `signal` fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error("aborted"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
