/**
 * Answers that are not in the first answer, through a whole attempt: what is asked, in which order and with which secrets,
 * and what is stopped when nobody wants the answer any more. The provider is a script; time is fake.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChatRequest } from "../../../src/core/chat.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { replicate } from "../../../src/providers/replicate.ts";
import { attempt, type Answered, type Failed } from "../../../src/router/attempt.ts";
import { DEADLINES } from "../../../src/router/deadlines.ts";
import { CREDENTIAL, DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const BASE = "https://api.provider.example/v1";
const STREAM = "https://stream.provider.example/v1/s/1";
const TARGET: Target = {
  ...DEFAULT_TARGET,
  baseUrl: BASE,
  upstreamModel: "acme/parrot",
  quirks: { stream_hosts: ["*.provider.example"] },
};
const STATE = "GET /predictions/p1";
const CANCEL = "POST /predictions/p1/cancel";
const CREATE = "POST /models/acme/parrot/predictions";
const METRICS = { input_token_count: 5, output_token_count: 2, predict_time: 1.5 };

const prediction = (status: string, more: object = {}): Response =>
  Response.json(
    { id: "p1", status, output: null, urls: { stream: STREAM }, ...more },
    { status: status === "starting" ? 201 : 200 },
  );
const whole = (): Response => prediction("succeeded", { output: ["Hi", " there."], metrics: METRICS });
const sse = (text: string): Response => new Response(text, { headers: { "content-type": "text/event-stream" } });
const SAID = "event: output\ndata: Hi\n\nevent: output\ndata:  there.\n\n";
const DONE = "event: done\ndata: {}\n\n";
/** A stream that never ends, until the request is aborted. */
const endless = (text: string, signal: AbortSignal): Response => {
  const body = new ReadableStream({
    type: "bytes",
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      signal.addEventListener("abort", () => controller.error(new Error("aborted")));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};

type Script = Readonly<Record<string, (signal: AbortSignal) => Response | Promise<Response>>>;

interface World {
  readonly asked: string[];
  readonly secrets: (string | null)[];
  readonly settled: Promise<unknown>[];
  run(stream: boolean, target?: Target): Promise<Answered | Failed>;
  stop(): void;
}

/** A provider that answers by `script`; what it lacks is a 404. */
function worldOf(script: Script): World {
  const asked: string[] = [];
  const secrets: (string | null)[] = [];
  const settled: Promise<unknown>[] = [];
  let abort = (): void => undefined;
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const name = `${init.method ?? "GET"} ${url.startsWith(BASE) ? url.slice(BASE.length) : url}`;
    asked.push(name);
    secrets.push(new Headers(init.headers).get("authorization"));
    expect(init.redirect).toBe("manual");
    const { signal } = init;
    if (!(signal instanceof AbortSignal)) throw new Error("a request without a signal");
    const answer = script[name];
    return answer === undefined ? Response.json({ detail: "Not found." }, { status: 404 }) : answer(signal);
  };
  return {
    asked,
    secrets,
    settled,
    run(stream, target = TARGET) {
      const request: ChatRequest = { ...HELLO, stream };
      const encoded = replicate.encode(request, target);
      if (!encoded.ok) throw new Error(encoded.error);
      const ports = {
        clock: () => Date.now(),
        fetch,
        deadlines: DEADLINES,
        waitUntil: (work: Promise<unknown>) => void settled.push(work),
      };
      const started = (given: () => void): void => {
        abort = given;
      };
      return attempt(replicate, encoded.value, request, target, { isFast: false, started, beat: null }, ports);
    },
    stop: () => abort(),
  };
}

/** Everything that the answer says, while time goes on. */
async function eventsOf(running: Promise<Answered | Failed>): Promise<readonly GenerationEvent[]> {
  let result: Answered | Failed | null = null;
  void running.then((done) => (result = done));
  for (let turn = 0; result === null && turn < 4_000; turn++) await vi.advanceTimersByTimeAsync(250);
  const answered = await running;
  if (answered.kind === "failed") return [{ type: "error", failure: answered.failure }];
  const events = [...answered.first];
  for (;;) {
    const next = answered.stream.next();
    await vi.advanceTimersByTimeAsync(1_000);
    const batch = await next;
    if (batch === null) break;
    events.push(...batch);
  }
  answered.guard.end();
  return events;
}

const textOf = (events: readonly GenerationEvent[]): string =>
  events.map((event) => (event.type === "text-delta" ? event.text : "")).join("");
const usageOf = (events: readonly GenerationEvent[]) => events.findLast((event) => event.type === "usage")?.usage;

test("a stream is created, read without the credential, and told what it used by its last state", async () => {
  const world = worldOf({
    [CREATE]: () => prediction("starting"),
    [`GET ${STREAM}`]: () => sse(SAID + DONE),
    [STATE]: whole,
  });
  const events = await eventsOf(world.run(true));
  expect(textOf(events)).toBe("Hi there.");
  expect(usageOf(events)).toMatchObject({ inputText: 5, outputText: 2, work: { hardwareMs: 1_500 } });
  expect(events.at(-1)).toMatchObject({ type: "finish", reason: "stop" });
  expect(world.asked).toEqual([CREATE, `GET ${STREAM}`, STATE]);
  expect(world.secrets).toEqual([`Bearer ${CREDENTIAL}`, null, `Bearer ${CREDENTIAL}`]);
  world.stop();
  expect(world.asked, "what is over is not stopped").toHaveLength(3);
});

test("a stream's last state is asked for again until it is the last, and missed without harm", async () => {
  let looks = 0;
  const late = (): Response => (++looks < 3 ? prediction("processing") : whole());
  const script = { [CREATE]: () => prediction("starting"), [`GET ${STREAM}`]: () => sse(SAID + DONE) };
  expect(usageOf(await eventsOf(worldOf({ ...script, [STATE]: late }).run(true)))).toMatchObject({ outputText: 2 });
  expect(looks).toBe(3);
  const without = await eventsOf(worldOf(script).run(true));
  expect([textOf(without), without.at(-1)?.type]).toEqual(["Hi there.", "finish"]);
  // Nobody says what it used: the time since its first word is what is known of its hardware.
  expect(usageOf(without)).toMatchObject({ outputText: 0, work: { hardwareMs: expect.any(Number) } });
});

test.each([
  { name: "another host than the provider's data names", url: "https://elsewhere.example/s" },
  { name: "a private address", url: "https://169.254.169.254/latest" },
  { name: "plain http", url: "http://stream.provider.example/s" },
  { name: "no address at all", url: "stream" },
  { name: "a host that only ends alike", url: "https://evilprovider.example/s" },
])("a stream at $name is not asked for: the state says it all", async ({ url }) => {
  const world = worldOf({ [CREATE]: () => prediction("starting", { urls: { stream: url } }), [STATE]: whole });
  expect(textOf(await eventsOf(world.run(true)))).toBe("Hi there.");
  expect(world.asked).toEqual([CREATE, STATE]);
});

test("a stream that cannot be opened, or redirects, is asked for as a state", async () => {
  for (const status of [302, 404, 503]) {
    const opened = (): Response => new Response(null, { status, headers: { location: "https://169.254.169.254/" } });
    const world = worldOf({ [CREATE]: () => prediction("starting"), [`GET ${STREAM}`]: opened, [STATE]: whole });
    expect(textOf(await eventsOf(world.run(true)))).toBe("Hi there.");
    expect(world.asked).toEqual([CREATE, `GET ${STREAM}`, STATE]);
  }
});

test("a buffered answer within the wait is one request", async () => {
  const world = worldOf({ [CREATE]: whole });
  const events = await eventsOf(world.run(false));
  expect([textOf(events), world.asked]).toEqual(["Hi there.", [CREATE]]);
});

test("a buffered answer after the wait is asked for until it is over, through passing errors", async () => {
  const states = [
    prediction("starting"),
    new Response("busy", { status: 503 }),
    Response.json({ detail: "throttled" }, { status: 429 }),
    prediction("processing"),
    whole(),
  ];
  const next = (): Response => states.shift() ?? whole();
  const world = worldOf({ [CREATE]: () => prediction("starting"), [STATE]: next });
  const events = await eventsOf(world.run(false));
  expect([textOf(events), states.length, world.asked.length]).toEqual(["Hi there.", 0, 6]);
});

test("a state that is refused, or fails for good, is the attempt's failure, and the prediction is stopped", async () => {
  for (const status of [403, 500]) {
    const refused = (): Response => Response.json({ detail: "no" }, { status });
    const world = worldOf({
      [CREATE]: () => prediction("starting"),
      [STATE]: refused,
      [CANCEL]: () => prediction("canceled"),
    });
    expect(await eventsOf(world.run(false))).toMatchObject([{ type: "error", failure: { status } }]);
    expect(world.asked.filter((name) => name === STATE)).toHaveLength(status === 403 ? 1 : 5);
    expect(world.asked.filter((name) => name === CANCEL)).toHaveLength(1);
  }
});

test.each([
  { name: "refused", answer: () => Response.json({ detail: "bad input" }, { status: 422 }), status: 422 },
  { name: "no JSON", answer: () => new Response("<html>", { status: 201 }), status: 200 },
  { name: "no prediction", answer: () => Response.json({ id: "../../account" }, { status: 201 }), status: 200 },
])("a first answer that is $name ends the attempt, and nothing more is asked", async ({ answer, status }) => {
  const world = worldOf({ [CREATE]: answer });
  expect(await eventsOf(world.run(true))).toMatchObject([{ type: "error", failure: { status } }]);
  expect(world.asked).toEqual([CREATE]);
});

test("a client that leaves a stream stops the prediction, and its hardware's time is told", async () => {
  const world = worldOf({
    [CREATE]: () => prediction("starting"),
    [`GET ${STREAM}`]: (signal) => endless(SAID, signal),
    [CANCEL]: () => prediction("canceled"),
  });
  const answered = await world.run(true);
  if (answered.kind !== "answered") throw new Error("it failed");
  await vi.advanceTimersByTimeAsync(3_000);
  world.stop();
  world.stop();
  const events = (await answered.stream.next()) ?? [];
  expect(events.map(({ type }) => type)).toEqual(["usage", "error"]);
  expect(usageOf(events)?.work?.hardwareMs).toBeGreaterThanOrEqual(3_000);
  await Promise.all(world.settled);
  expect(world.asked).toEqual([CREATE, `GET ${STREAM}`, CANCEL]);
  expect(world.secrets.at(-1)).toBe(`Bearer ${CREDENTIAL}`);
});

test("who leaves before the first answer has begun something without a name: it is heard of, and then stopped", async () => {
  let begin = (_response: Response): void => undefined;
  const begun = new Promise<Response>((resolve) => {
    begin = resolve;
  });
  const world = worldOf({ [CREATE]: () => begun, [CANCEL]: () => prediction("canceled") });
  const running = world.run(true);
  world.stop();
  expect(await running).toMatchObject({ kind: "failed", failure: { providerCode: "connection_failed" } });
  expect(world.asked).toEqual([CREATE]);
  begin(prediction("starting"));
  await vi.advanceTimersByTimeAsync(1);
  await Promise.all(world.settled);
  expect(world.asked).toEqual([CREATE, CANCEL]);
});

test("the attempt's deadlines hold for all of its requests", async () => {
  const forever = (signal: AbortSignal): Promise<Response> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
    });
  const silent = worldOf({ [CREATE]: forever });
  expect(await eventsOf(silent.run(true))).toMatchObject([{ failure: { errorType: "timeout" } }]);
  const polled = worldOf({ [CREATE]: () => prediction("starting"), [STATE]: () => prediction("processing") });
  const startMs = Date.now();
  expect(await eventsOf(polled.run(false))).toMatchObject([{ failure: { errorType: "timeout" } }]);
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(DEADLINES.totalMs);
  expect(polled.asked.at(-1)).toBe(CANCEL);
  const unopened = worldOf({
    [CREATE]: () => prediction("starting"),
    [`GET ${STREAM}`]: (signal) => endless("event: logs\ndata: warm\n\n", signal),
  });
  expect(await eventsOf(unopened.run(true))).toMatchObject([{ failure: { errorType: "timeout" } }]);
  expect(unopened.asked.at(-1)).toBe(CANCEL);
});
