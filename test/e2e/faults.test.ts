/**
 * Two providers of one model, the preferred one failing in each way that an upstream can fail: what the client gets and
 * what the account pays, streamed and not, with the other provider there to fall back on and without.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { estimateCompletionTokens, estimatePromptTokens } from "../../src/core/estimate.ts";
import { isObject } from "../../src/core/json.ts";
import { openAiChat } from "../../src/dialects/openai-chat.ts";
import { alone } from "./alone.ts";
import { BROKEN_AFTER, USAGE, WORDS } from "./fault-upstream.ts";
import {
  ask,
  call,
  chargeOf,
  costAt,
  generationOf,
  nameOf,
  newAccount,
  PROMPT,
  readStream,
  startFaultWorld,
  type EndpointWish,
  type FaultWorld,
} from "./fault-world.ts";

interface Fault {
  readonly mode: string;
  readonly says: string;
  /** Status and outcome of the failed attempt, as the record keeps them. */
  readonly attempt: string;
  /** The client's status when there is nobody else. */
  readonly alone: number;
  /** Instead of `near`. */
  readonly provider?: string;
  /** Only for one of the two ways of asking. */
  readonly only?: "streamed" | "buffered";
}

/** Whatever happens before the first token is nobody's business but ours: the other provider answers. */
const BEFORE: readonly Fault[] = [
  { mode: "ok", provider: "gone", says: "refuses the connection", attempt: "null:provider_unavailable", alone: 502 },
  { mode: "reset", says: "resets the connection", attempt: "null:provider_unavailable", alone: 502 },
  { mode: "closed", says: "closes the connection", attempt: "null:provider_unavailable", alone: 502 },
  { mode: "limited-after-7", says: "answers 429 with Retry-After", attempt: "429:rate_limit_exceeded", alone: 429 },
  { mode: "limited", says: "answers 429 without Retry-After", attempt: "429:rate_limit_exceeded", alone: 429 },
  { mode: "status-500", says: "answers 500", attempt: "500:provider_unavailable", alone: 502 },
  { mode: "status-503", says: "answers 503", attempt: "503:provider_overloaded", alone: 503 },
  { mode: "status-301", says: "redirects", attempt: "301:provider_unavailable", alone: 502 },
  { mode: "huge-error", says: "answers 500 with 10 MB", attempt: "500:provider_unavailable", alone: 502 },
  { mode: "endless-error", says: "answers 500 and never ends it", attempt: "500:provider_unavailable", alone: 502 },
  { mode: "error-inside", says: "answers 200 with an error in it", attempt: "200:provider_unavailable", alone: 502 },
  { mode: "empty", says: "answers 200 with nothing", attempt: "200:provider_unavailable", alone: 502 },
  { mode: "html", says: "answers 200 with a web page", attempt: "200:provider_unavailable", alone: 502 },
  { mode: "huge", says: "answers 200 and never comes to the point", attempt: "200:provider_unavailable", alone: 502 },
  { mode: "malformed-first", says: "answers 200 with garbage", attempt: "200:provider_unavailable", alone: 502 },
  { mode: "stall-headers", says: "never answers", attempt: "null:timeout", alone: 504 },
  { mode: "stall-first", says: "stalls before the first token", attempt: "null:timeout", alone: 504 },
  { mode: "drip-first", says: "drips bytes that are no token", attempt: "null:timeout", alone: 504 },
  { mode: "cut-first", says: "is cut before the first token", attempt: "null:provider_unavailable", alone: 502 },
  // A buffered answer has no first token: nothing of it was delivered when it broke.
  { mode: "stall-after", says: "stalls in the middle", attempt: "null:timeout", alone: 504, only: "buffered" },
  { mode: "drip-after", says: "drips in the middle", attempt: "null:timeout", alone: 504, only: "buffered" },
  { mode: "cut-after", says: "is cut", attempt: "null:provider_unavailable", alone: 502, only: "buffered" },
  { mode: "end-early", says: "ends early", attempt: "200:provider_unavailable", alone: 502, only: "buffered" },
  {
    mode: "malformed-after",
    says: "turns to garbage",
    attempt: "200:provider_unavailable",
    alone: 502,
    only: "buffered",
  },
];

/** Streamed, after the first words: one error event, and the words are paid for. */
const AFTER: readonly { readonly mode: string; readonly says: string; readonly code: number; readonly type: string }[] =
  [
    { mode: "stall-after", says: "stalls", code: 504, type: "timeout" },
    { mode: "drip-after", says: "drips bytes that are no token", code: 504, type: "timeout" },
    { mode: "cut-after", says: "is cut", code: 502, type: "provider_unavailable" },
    { mode: "end-early", says: "ends without a finish", code: 502, type: "provider_unavailable" },
    { mode: "malformed-after", says: "turns to garbage", code: 502, type: "provider_unavailable" },
    { mode: "error-after", says: "reports an error", code: 502, type: "provider_unavailable" },
  ];

/** Answers that look odd and are whole. */
const WHOLE: readonly { readonly mode: string; readonly says: string; readonly only?: "streamed" }[] = [
  { mode: "ok", says: "answers" },
  { mode: "json-to-stream", says: "answers a stream with JSON" },
  { mode: "done-hang", says: "keeps the connection open after its end", only: "streamed" },
  { mode: "done-reset", says: "resets the connection after its end", only: "streamed" },
];

/** Below the idle deadline of the fault world. */
const WHOLE_MS_MAX = 1_400;
const TIMED_RUNS = 5;

const WAYS = [true, false] as const;
const wayOf = (isStreamed: boolean): "streamed" | "buffered" => (isStreamed ? "streamed" : "buffered");

const models = new Map<string, readonly EndpointWish[]>();
/** Declares a model and gives its id. */
function model(name: string, ...endpoints: readonly EndpointWish[]): string {
  models.set(`test/${name}`, endpoints);
  return `test/${name}`;
}

const before = BEFORE.flatMap((fault) =>
  WAYS.filter((isStreamed) => fault.only === undefined || fault.only === wayOf(isStreamed)).map((isStreamed) => {
    const provider = fault.provider ?? "near";
    const id = `${provider}-${fault.mode}-${wayOf(isStreamed)}`;
    const first = { provider, mode: fault.mode };
    return {
      ...fault,
      provider,
      isStreamed,
      way: wayOf(isStreamed),
      both: model(`${id}-both`, first, { provider: "far", mode: "ok" }),
      single: model(`${id}-alone`, first),
    };
  }),
);
const after = AFTER.map((fault) => ({
  ...fault,
  id: model(`after-${fault.mode}`, { provider: "near", mode: fault.mode }, { provider: "far", mode: "ok" }),
}));
const whole = WHOLE.flatMap((one) =>
  WAYS.filter((isStreamed) => isStreamed || one.only === undefined).map((isStreamed) => ({
    ...one,
    isStreamed,
    way: wayOf(isStreamed),
    id: model(`whole-${one.mode}-${wayOf(isStreamed)}`, { provider: "near", mode: one.mode }),
  })),
);
const LONG = model("long-facts", { provider: "near", mode: "long-facts" });
const NO_USAGE = model("no-usage", { provider: "near", mode: "no-usage" });
const ENDLESS = model("endless", { provider: "near", mode: "endless-200" });
const LIMITED = model(
  "limited",
  { provider: "near", mode: "limited-after-7" },
  { provider: "far", mode: "limited-after-30" },
);
const REOPENS = model("reopens", { provider: "near", mode: "limited-after-2" }, { provider: "far", mode: "ok" });
const BAD = model("bad", { provider: "near", mode: "bad-request" }, { provider: "far", mode: "ok" });
const TOO_LONG = model("too-long", { provider: "near", mode: "too-long" });
const LONGER = model("longer", { provider: "far", mode: "ok" });
const BOTH_DOWN = model("both-down", { provider: "near", mode: "status-500" }, { provider: "far", mode: "reset" });
const LATE_STALLS = ["stall1", "stall2", "stall3", "stall4"].map((provider) => ({ provider, mode: "stall-first" }));
const LATE = model("late", ...LATE_STALLS, { provider: "far", mode: "ok" });
const LATE_DOWN = model("late-down", ...LATE_STALLS);

let world: FaultWorld;
alone();
beforeAll(async () => {
  world = await startFaultWorld(models);
});
afterAll(async () => {
  await world.stop();
});

const ANSWER = WORDS.join("");
const DELIVERED = WORDS.slice(0, BROKEN_AFTER).join("");
const PREFERENCES = { order: ["near", "gone", "stall1", "stall2", "stall3", "stall4"] };

// One at a time: reading them is work, and the deadlines of the others run on meanwhile.
describe("before the first token, with megabytes", () => failsBefore(before.filter(isLarge)));
describe.concurrent("before the first token", () => failsBefore(before.filter((fault) => !isLarge(fault))));

function isLarge({ mode }: Fault): boolean {
  return mode === "huge" || mode === "huge-error";
}

function failsBefore(faults: typeof before): void {
  test.each(faults)("$provider $says, $way: the far one answers and is paid", async (fault) => {
    const account = await newAccount(world);
    const body = { model: fault.both, stream: fault.isStreamed, provider: PREFERENCES };
    const answered = await answerTo(await ask(world, account, body), fault.isStreamed);
    expect(answered).toMatchObject({ status: 200, text: ANSWER, errors: [] });
    expect(answered.headers.get("x-provider-name")).toBe(nameOf("far"));
    expect(answered.usage).toMatchObject({ ...USAGE, cost: Number(costAt("far", 10, 5)) / 1e9 });
    expect(await chargeOf(world, account)).toBe(costAt("far", 10, 5));
    const record = await generationOf(world, account, answered.id);
    expect(record).toMatchObject({
      attempts: [`${fault.provider}:${fault.attempt}`, "far:200:ok"],
      provider_name: nameOf("far"),
      estimated: false,
      cancelled: false,
      streamed: fault.isStreamed,
    });
  });

  test.each(faults)("$provider $says, $way, and there is no other: $alone and no charge", async (fault) => {
    const account = await newAccount(world);
    const response = await ask(world, account, { model: fault.single, stream: fault.isStreamed });
    const id = response.headers.get("x-generation-id") ?? "";
    const body: unknown = await response.json();
    expect({ status: response.status, body }).toMatchObject({
      status: fault.alone,
      body: {
        error: { code: fault.alone, message: expect.any(String), metadata: { provider_name: nameOf(fault.provider) } },
      },
    });
    expect(await chargeOf(world, account)).toBe(0n);
    const record = await generationOf(world, account, id);
    expect(record).toMatchObject({
      attempts: [`${fault.provider}:${fault.attempt}`],
      total_cost: 0,
      tokens_completion: 0,
    });
  });
}

describe.concurrent("after the first token", () => {
  test.each(after)("near $says: one error event, and the delivered part is paid for", async (fault) => {
    const account = await newAccount(world);
    const stream = await readStream(
      await ask(world, account, { model: fault.id, stream: true, provider: PREFERENCES }),
    );
    expect(stream).toMatchObject({ status: 200, text: DELIVERED, isDone: false });
    expect(stream.errors).toMatchObject([
      { code: fault.code, metadata: { error_type: fault.type, provider_name: nameOf("near") } },
    ]);
    const cost = costAt("near", promptEstimate(), estimateCompletionTokens(DELIVERED));
    expect(stream.usage).toMatchObject({ cost: Number(cost) / 1e9 });
    expect(await chargeOf(world, account)).toBe(cost);
    const record = await generationOf(world, account, stream.headers.get("x-generation-id") ?? "");
    expect(record).toMatchObject({
      attempts: ["near:200:ok"],
      estimated: true,
      finish_reason: "error",
      cancelled: false,
    });
    expect(world.far.callsOf(fault.id)).toEqual([]);
  });

  test("an answer that never ends is ended by us, once, and what was delivered is paid for", async () => {
    const account = await newAccount(world);
    const stream = await readStream(await ask(world, account, { model: ENDLESS, stream: true }));
    expect(stream.errors).toMatchObject([{ code: 504 }]);
    const completion = estimateCompletionTokens(stream.text);
    expect(completion).toBeGreaterThan(10);
    expect(await chargeOf(world, account)).toBe(costAt("near", promptEstimate(), completion));
  });
});

describe.concurrent("whole answers", () => {
  test.each(whole)("near $says, $way: it counts", async ({ id, isStreamed }) => {
    // The best of some: waiting for a connection's end would take each of them until the idle deadline.
    const tookMs: number[] = [];
    while (tookMs.length < TIMED_RUNS && Math.min(...tookMs) >= WHOLE_MS_MAX) {
      const account = await newAccount(world);
      const askedMs = Date.now();
      const answered = await answerTo(await ask(world, account, { model: id, stream: isStreamed }), isStreamed);
      tookMs.push(Date.now() - askedMs);
      expect(answered).toMatchObject({ status: 200, text: ANSWER, errors: [], isDone: isStreamed });
      expect(answered.usage).toMatchObject(USAGE);
      expect(await chargeOf(world, account)).toBe(costAt("near", 10, 5));
    }
    expect(Math.min(...tookMs)).toBeLessThan(WHOLE_MS_MAX);
  });

  test.each(WAYS)("an answer that says too much of itself is kept within bounds (stream: %s)", async (isStreamed) => {
    const account = await newAccount(world);
    const answered = await answerTo(await ask(world, account, { model: LONG, stream: isStreamed }), isStreamed);
    expect(answered).toMatchObject({ status: 200, text: "one", errors: [] });
    const record = await generationOf(world, account, answered.id);
    expect([String(record["upstream_id"]).length, String(record["native_finish_reason"]).length]).toEqual([256, 256]);
  });

  test("an answer without usage is counted by us and says so", async () => {
    const account = await newAccount(world);
    const stream = await readStream(await ask(world, account, { model: NO_USAGE, stream: true }));
    expect(stream).toMatchObject({ text: ANSWER, errors: [], isDone: true, usage: { estimated: true } });
    const cost = costAt("near", promptEstimate(), estimateCompletionTokens(ANSWER));
    expect(await chargeOf(world, account)).toBe(cost);
    const record = await generationOf(world, account, stream.headers.get("x-generation-id") ?? "");
    expect(record).toMatchObject({ estimated: true, finish_reason: "stop" });
  });
});

describe.concurrent("what an error means", () => {
  test("when everybody is limited the client hears the shortest wait, and so do the next ones", async () => {
    const account = await newAccount(world);
    const first = await ask(world, account, { model: LIMITED, provider: PREFERENCES });
    expect({ status: first.status, wait: first.headers.get("retry-after") }).toEqual({ status: 429, wait: "7" });
    const calls = world.near.callsOf("limited-after-7").length;
    const second = await ask(world, account, { model: LIMITED, provider: PREFERENCES });
    expect({ status: second.status, wait: Number(second.headers.get("retry-after")) <= 7 }).toEqual({
      status: 429,
      wait: true,
    });
    expect(await second.json()).toMatchObject({
      error: { metadata: { limit_source: "upstream_provider_shared_pool" } },
    });
    expect(world.near.callsOf("limited-after-7").length).toBe(calls);
    expect(await chargeOf(world, account)).toBe(0n);
  });

  test("a region is closed for exactly as long as its 429 says", async () => {
    const account = await newAccount(world);
    const calls = (): readonly number[] => world.near.callsOf("limited-after-2").map(({ atMs }) => atMs);
    const send = async (): Promise<void> => {
      const response = await ask(world, account, { model: REOPENS, provider: PREFERENCES });
      expect([response.status, response.headers.get("x-provider-name")]).toEqual([200, nameOf("far")]);
    };
    await send();
    expect(calls()).toHaveLength(1);
    const closedBeforeMs = Date.now();
    while (calls().length === 1 && Date.now() < closedBeforeMs + 2_050) {
      await send();
      await pause(100);
    }
    // Sent when the time is surely over; it may have been while one of those above was on its way.
    await send();
    const [closed = 0, reopened = 0, ...more] = calls();
    expect(more).toEqual([]);
    expect(reopened - closed).toBeGreaterThanOrEqual(2_000);
  });

  test.each(WAYS)("a 400 is passed on with its text and tried nowhere else (stream: %s)", async (isStreamed) => {
    const account = await newAccount(world);
    const response = await ask(world, account, { model: BAD, stream: isStreamed, provider: PREFERENCES });
    const id = response.headers.get("x-generation-id") ?? "";
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 400,
      body: {
        error: { code: 400, message: "temperature must be at most 2.", metadata: { provider_name: nameOf("near") } },
      },
    });
    expect(await chargeOf(world, account)).toBe(0n);
    expect(await generationOf(world, account, id)).toMatchObject({ attempts: ["near:400:invalid_request"] });
  });

  test.each(WAYS)("a prompt that is too long goes to the next model (stream: %s)", async (isStreamed) => {
    const account = await newAccount(world);
    const body = { models: [TOO_LONG, LONGER], stream: isStreamed };
    const answered = await answerTo(await ask(world, account, body), isStreamed);
    expect(answered).toMatchObject({ status: 200, text: ANSWER, model: LONGER });
    const record = await generationOf(world, account, answered.id);
    expect(record).toMatchObject({
      attempts: ["near:400:context_length_exceeded", "far:200:ok"],
      model: LONGER,
    });
    expect(await chargeOf(world, account)).toBe(costAt("far", 10, 5));
  });

  test.each(WAYS)("when both fail it is a 503 with both attempts told (stream: %s)", async (isStreamed) => {
    const account = await newAccount(world);
    const response = await ask(world, account, { model: BOTH_DOWN, stream: isStreamed, provider: PREFERENCES });
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 503,
      body: { error: { metadata: { previous_errors: [{ provider: nameOf("near"), status: 500 }] } } },
    });
    expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await chargeOf(world, account)).toBe(0n);
  });
});

describe.concurrent("a long silence", () => {
  test("is filled with comments, and the answer comes after it", async () => {
    const account = await newAccount(world);
    const askedMs = Date.now();
    const response = await ask(world, account, { model: LATE, stream: true, provider: PREFERENCES });
    expect(response.status).toBe(200);
    expect(Date.now() - askedMs).toBeLessThan(11_500);
    const stream = await readStream(response);
    expect(stream).toMatchObject({ text: ANSWER, errors: [], isDone: true });
    expect(stream.comments).toBeGreaterThan(0);
    expect(await chargeOf(world, account)).toBe(costAt("far", 10, 5));
  });

  test("that ends in a failure is one error event", async () => {
    const account = await newAccount(world);
    const response = await ask(world, account, { model: LATE_DOWN, stream: true, provider: PREFERENCES });
    const stream = await readStream(response);
    expect(stream).toMatchObject({ status: 200, text: "", isDone: false });
    expect(stream.comments).toBeGreaterThan(0);
    expect(stream.errors).toMatchObject([{ code: 503 }]);
    expect(await chargeOf(world, account)).toBe(0n);
    const record = await generationOf(world, account, response.headers.get("x-generation-id") ?? "");
    expect(record.attempts).toHaveLength(4);
  });
});

test("after all of it the books are right and nothing is held", async () => {
  await expect
    .poll(async () => (await call(world.server, "GET", "/admin/audit", world.server.operatorKey)).body, {
      timeout: 15_000,
    })
    .toMatchObject({ ok: true, open_holds: 0, outbox: 0 });
});

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly id: string;
  readonly model: string;
  readonly text: string;
  readonly errors: readonly unknown[];
  readonly isDone: boolean;
  readonly usage: unknown;
}

/** A streamed or a buffered answer in one shape. */
async function answerTo(response: Response, isStreamed: boolean): Promise<Answered> {
  const id = response.headers.get("x-generation-id") ?? "";
  if (isStreamed) {
    const stream = await readStream(response);
    return { ...stream, id, model: /"model":"([^"]*)"/.exec(stream.raw)?.[1] ?? "" };
  }
  const body: unknown = await response.json();
  const shown = isObject(body) ? body : {};
  const choice: unknown = Array.isArray(shown["choices"]) ? shown["choices"][0] : undefined;
  const message = isObject(choice) && isObject(choice["message"]) ? choice["message"] : {};
  return {
    status: response.status,
    headers: response.headers,
    id,
    model: String(shown["model"]),
    text: String(message["content"]),
    errors: shown["error"] === undefined ? [] : [shown["error"]],
    isDone: false,
    usage: shown["usage"],
  };
}

/** What the router takes the prompt for, where no provider says. */
function promptEstimate(): number {
  const parsed = openAiChat.parse({ model: "any", messages: [{ role: "user", content: PROMPT }] });
  if (!parsed.ok) throw new Error("the prompt is not one");
  return estimatePromptTokens(parsed.value.request);
}

function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs));
}
