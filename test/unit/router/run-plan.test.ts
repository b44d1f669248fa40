/** The walk along a plan with a network that answers as the test says: who is asked, who is told, who is skipped. */
import { expect, test } from "vitest";
import { asAccountId } from "../../../src/core/ids.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { createCancellation, type Cancellation } from "../../../src/router/cancellation.ts";
import { createAccessTokens } from "../../../src/providers/access-tokens.ts";
import { DEADLINES } from "../../../src/router/deadlines.ts";
import { plan } from "../../../src/router/plan.ts";
import type { RouterPorts } from "../../../src/router/ports.ts";
import { runPlan, type PlanRun } from "../../../src/router/run-plan.ts";
import { NO_OWN, NO_STATE, permitOf } from "./spine.ts";
import { BROKEN, entryOf, inputOf, NOW, wishesOf } from "./world.ts";

type Answer = (signal: AbortSignal, secret: string) => Response | Promise<Response>;

const good: Answer = () =>
  Response.json({
    choices: [{ index: 0, message: { content: "Hello" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  });
const status =
  (code: number, message = "No.", headers: Record<string, string> = {}): Answer =>
  () =>
    Response.json({ error: { message } }, { status: code, headers });

interface World {
  readonly answers: Readonly<Record<string, Answer>>;
  readonly models?: readonly string[];
  readonly health?: Parameters<typeof inputOf>[1];
  readonly noCredential?: string;
  readonly noPermit?: string;
  /** Has a permit for those who wait. */
  readonly shortPermit?: string;
  /** Ids of each provider's credentials; one by default. */
  readonly keys?: readonly string[];
  readonly mayProbe?: boolean;
  /** The endpoints of all models in one order. */
  readonly isMerged?: boolean;
  /** Those that take no temperature. */
  readonly picky?: readonly string[];
  readonly cancellation?: Cancellation;
}

/** Runs a plan over the providers `a`, `b`, `c` (in this order) of each model; what happened, in order. */
async function walk(world: World): Promise<{ run: PlanRun; log: readonly string[]; open: number }> {
  const log: string[] = [];
  let open = 0;
  const names = Object.keys(world.answers);
  const entries = (world.models ?? ["test/m"]).map((id) =>
    entryOf(
      id,
      names.map((tag) => ({
        tag,
        provider: { base_url: `https://${tag}.test/v1` },
        endpoint: {
          upstream_model: id,
          supported_parameters: world.picky?.includes(tag) === true ? [] : ["temperature"],
        },
      })),
    ),
  );
  const wishes = { order: names, ...(world.isMerged === true ? { sort: { by: "price", partition: "none" } } : {}) };
  const { candidates } = plan(inputOf(entries, { preferences: wishesOf(wishes), ...world.health }));
  const providers: RouterPorts["providers"] = {
    warm: () => null,
    health: () => undefined,
    switchedOff: () => new Set(),
    withCredential: (slugs) => new Set(slugs),
    baseUrl: () => null,
    report: ({ tag }, outcome, permit) => {
      const id = permit.kind === "granted" && world.keys !== undefined ? ` ${permit.credential.id}` : "";
      log.push(`report ${tag} ${outcome.kind === "failure" ? outcome.scope : "success"}${id}`);
    },
    mayProbe: () => world.mayProbe ?? false,
    permit: ({ provider }, _capacity, { waitMs, tried }) => {
      const id = (world.keys ?? ["only"]).find((key) => !tried.has(key));
      if (provider === world.noCredential || id === undefined) return { kind: "no_credential" };
      if (provider === world.noPermit) {
        log.push(`no permit ${provider} ${waitMs}`);
        return Promise.resolve({ kind: "refused", retryAfterMs: 9_000 });
      }
      if (provider === world.shortPermit && waitMs === 0) return { kind: "refused", retryAfterMs: 500 };
      open++;
      return permitOf(`secret-${id}-of-${provider}`, () => void open--, id);
    },
  };
  const parsed = openAiChat.parse({ model: "test/m", messages: [{ role: "user", content: "Hi" }], temperature: 1 });
  if (!parsed.ok) throw new Error("the request is not one");
  const run = await runPlan(
    {
      candidates,
      request: parsed.value.request,
      userHash: null,
      promptTokens: 5,
      bucket: null,
      cancellation: world.cancellation ?? createCancellation(false),
      byokSecrets: new Map(),
      account: asAccountId("gl10000000000abc"),
      freeModels: new Set(),
      attachments: null,
      credentialSeed: null,
      beat: null,
    },
    {
      providers,
      byok: NO_OWN,
      providerState: NO_STATE,
      menu: () => Promise.reject(new Error("no router here")),
      clock: () => NOW,
      deadlines: DEADLINES,
      accessTokens: createAccessTokens(() => NOW),
      randomBytes: (length) => new Uint8Array(length),
      waitUntil: () => undefined,
      resolve: () => Promise.reject(new Error("not asked")),
      accounts: {
        admit: never,
        settle: never,
        extend: never,
        renew: never,
        forget: () => undefined,
        abandon: () => undefined,
        isTrusted: () => false,
        distrust: never,
        keep: never,
      },
      openMedia: never,
      fetch: async (url, init) => {
        const tag = new URL(url).hostname.split(".")[0] ?? "";
        const body = JSON.parse(String(init.body)) as { model: string }; // what the adapter wrote
        log.push(`ask ${tag}${world.models === undefined ? "" : ` ${body.model}`}`);
        const secret = new Headers(init.headers).get("authorization") ?? "";
        return (world.answers[tag] ?? good)(init.signal ?? new AbortController().signal, secret);
      },
    },
  );
  run.answer?.answered.guard.end();
  return { run, log, open };
}

function never(): Promise<never> {
  return Promise.reject(new Error("not asked"));
}

test.each<{ name: string; first: Answer; scope: string; attempt: string }>([
  { name: "500", first: status(500), scope: "endpoint", attempt: "500 provider_unavailable" },
  { name: "429", first: status(429), scope: "capacity", attempt: "429 rate_limit_exceeded" },
  { name: "a bad credential", first: status(401), scope: "credential", attempt: "401 authentication" },
  {
    name: "a moderation",
    first: status(403, "flagged by moderation"),
    scope: "request",
    attempt: "403 content_policy_violation",
  },
  {
    name: "a refused connection",
    first: () => Promise.reject(new TypeError("refused at 10.0.0.1")),
    scope: "endpoint",
    attempt: "0 provider_unavailable",
  },
  { name: "no JSON", first: () => new Response("<html>"), scope: "endpoint", attempt: "200 provider_unavailable" },
  {
    name: "an answer without choices",
    first: () => Response.json({ choices: [] }),
    scope: "endpoint",
    attempt: "200 provider_unavailable",
  },
  {
    name: "an empty answer",
    first: () => Response.json({ choices: [{ message: { content: "" }, finish_reason: "stop" }] }),
    scope: "endpoint",
    attempt: "200 provider_unavailable",
  },
])("$name is reported, and the next one is asked", async ({ first, scope, attempt }) => {
  const { run, log, open } = await walk({ answers: { a: first, b: good, c: good } });
  expect(log).toEqual(["ask a", `report a ${scope}`, "ask b"]);
  expect(run.attempts.map((one) => `${one.status} ${one.outcome}`)).toEqual([attempt, "200 ok"]);
  expect(run.answer?.candidate.endpoint.tag).toBe("b");
  expect(JSON.stringify(run.failures)).not.toContain("10.0.0.1");
  expect(open).toBe(0);
});

test("a wrong request is asked nowhere else of that model, but of the next model", async () => {
  const bad = status(400, "temperature is wrong");
  const alone = await walk({ answers: { a: bad, b: good } });
  expect(alone.log).toEqual(["ask a", "report a request"]);
  expect(alone.run.answer).toBe(null);
  const two = await walk({ answers: { a: bad, b: good }, models: ["test/m", "test/n"] });
  expect(two.log).toEqual(["ask a test/m", "report a request", "ask a test/n", "report a request"]);
});

test("a request that two models have called wrong is asked nowhere else of either", async () => {
  const bad = status(400);
  const { log } = await walk({ answers: { a: bad, b: bad }, models: ["test/m", "test/n"], isMerged: true });
  expect(log.filter((line) => line.startsWith("ask"))).toEqual(["ask a test/m", "ask a test/n"]);
});

test("a prompt that is too long for one endpoint may fit another", async () => {
  const long = status(400, "maximum context length is 10 tokens");
  expect((await walk({ answers: { a: long, b: good } })).log).toEqual(["ask a", "report a request", "ask b"]);
});

test("without a credential or a permit nothing is sent, and nobody's health suffers", async () => {
  const without = await walk({ answers: { a: good, b: good }, noCredential: "a" });
  expect(without.log).toEqual(["ask b"]);
  const refused = await walk({ answers: { a: good, b: status(500) }, noPermit: "a" });
  expect(refused.log).toEqual(["no permit a 0", "ask b", "report b endpoint", "no permit a 2000"]);
  expect(refused.run.failures.map(({ failure }) => [failure.scope, failure.retryAfterMs])).toEqual([
    ["endpoint", null],
    ["capacity", 9_000],
  ]);
  expect(refused.open).toBe(0);
});

test("a broken endpoint is asked only with leave, or when all are broken", async () => {
  const answers = { a: status(500), b: good };
  const health = { health: { b: BROKEN } };
  expect((await walk({ answers, health })).log).toEqual(["ask a", "report a endpoint"]);
  expect((await walk({ answers, health, mayProbe: true })).log).toEqual(["ask a", "report a endpoint", "ask b"]);
  const all = await walk({ answers, health: { health: { a: BROKEN, b: BROKEN } } });
  expect(all.log).toEqual(["ask a", "report a endpoint", "ask b"]);
});

test("a client that leaves ends the walk, and the attempt it left says nothing of the endpoint", async () => {
  const cancellation = createCancellation(true);
  const hangs: Answer = (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      queueMicrotask(() => cancellation.leave());
    });
  const { run, log, open } = await walk({ answers: { a: hangs, b: good }, cancellation });
  expect(log).toEqual(["ask a"]);
  expect({ answer: run.answer, failures: run.failures, attempts: run.attempts.length }).toEqual({
    answer: null,
    failures: [],
    attempts: 1,
  });
  expect(open).toBe(0);
});

test("what the answering endpoint cannot take is told, and not what another one could not", async () => {
  const picky = ["b"];
  const left = await walk({ answers: { a: status(500), b: good }, picky });
  expect(left.run.warnings).toEqual([expect.stringContaining("temperature")]);
  const right = await walk({ answers: { b: status(500), a: good }, picky });
  expect(right.run.warnings).toEqual([]);
});

test("nobody waits for capacity while another endpoint has some, and it is waited for when none has", async () => {
  const spared = await walk({ answers: { a: good, b: good }, shortPermit: "a" });
  expect(spared.log).toEqual(["ask b"]);
  const waited = await walk({ answers: { a: good, b: status(500) }, shortPermit: "a" });
  expect(waited.log).toEqual(["ask b", "report b endpoint", "ask a"]);
  expect(waited.run.attempts.map((one) => `${one.status} ${one.outcome}`)).toEqual([
    "500 provider_unavailable",
    "200 ok",
  ]);
  const alone = await walk({ answers: { a: good }, noPermit: "a" });
  expect(alone.log).toEqual(["no permit a 2000"]);
  expect(alone.run.attempts).toMatchObject([{ status: 429, outcome: "rate_limit_exceeded" }]);
});

test.each([
  { name: "is refused", code: 401, scope: "credential", refused: ["a:one"] },
  { name: "is at its limit", code: 429, scope: "capacity", refused: [] },
])("where one credential $name the next one is tried at the same endpoint", async ({ code, scope, refused }) => {
  const picky: Answer = (signal, secret) =>
    secret.includes("-one-") ? status(code)(signal, secret) : good(signal, secret);
  const { run, log, open } = await walk({ answers: { a: picky, b: good }, keys: ["one", "two"] });
  expect(log).toEqual(["ask a", `report a ${scope} one`, "ask a"]);
  expect(run.answer?.permit.credential.id).toBe("two");
  expect(run.refusedCredentials).toEqual(refused);
  run.answer?.permit.done();
  expect(open).toBe(0);
});

test("when all credentials are refused each is reported, and the next endpoint is asked", async () => {
  const { log, run, open } = await walk({ answers: { a: status(401), b: good }, keys: ["one", "two"] });
  expect(log).toEqual(["ask a", "report a credential one", "ask a", "report a credential two", "ask b"]);
  expect(run.refusedCredentials).toEqual(["a:one", "a:two"]);
  expect(open).toBe(0);
});

test("what is the endpoint's fault is not tried with another credential", async () => {
  const { log } = await walk({ answers: { a: status(500), b: good }, keys: ["one", "two"] });
  expect(log).toEqual(["ask a", "report a endpoint one", "ask b"]);
});
