/** The spine inside workerd with a provider whose first answer is not yet the answer: streams, states, and being stopped. */
import { expect, test } from "vitest";
import { replicate } from "../../src/providers/replicate.ts";
import { generate } from "../../src/router/generate.ts";
import type { Fetch, RouterPorts } from "../../src/router/ports.ts";
import { inputOf, portsOf } from "../unit/router/spine.ts";
import { entryOf, NOW } from "../unit/router/world.ts";

const BASE = "https://example.test/v1";
const METRICS = { input_token_count: 7, output_token_count: 3, predict_time: 0.25 };
const state = (status: string, more: object = {}): Response =>
  Response.json({ id: "p1", status, output: null, urls: { stream: `${BASE}/stream/p1` }, ...more });
const whole = (): Response => state("succeeded", { output: ["Hel", "lo 🌱"], metrics: METRICS });
const SAID = "event: output\ndata: Hel\n\nevent: output\ndata: lo 🌱\n\n";

type Script = Readonly<Record<string, (signal: AbortSignal | null | undefined) => Response>>;

/** An A100 with 80 GB: https://replicate.com/pricing. */
const BY_THE_SECOND = { prompt: 0, completion: 0, hardware_second: 1_400_000_000 };

function portsWith(log: string[], script: Script, more: object = {}): RouterPorts {
  const ports = portsOf(log);
  const entry = entryOf("test/m", [
    {
      tag: "a",
      provider: { adapter: replicate.name, base_url: BASE },
      endpoint: { upstream_model: "acme/parrot", ...more },
    },
  ]);
  const fetch: Fetch = async (url, init) => {
    const name = `${init.method ?? "GET"} ${url.slice(BASE.length)}`;
    log.push(name);
    const answer = script[name];
    if (answer === undefined) throw new Error(`nobody asks for ${name}`);
    return answer(init.signal);
  };
  const resolved = { entry, version: "v1", thinking: false, isFree: false, warnings: [] };
  const admitted = { kind: "admitted", holdNusd: 2_000_000_000n, expiresAtMs: NOW + 60_000, lease: null } as const;
  const accounts = { ...ports.accounts, admit: async () => admitted };
  return { ...ports, accounts, resolve: async () => ({ ok: true, value: resolved }), fetch };
}

const CREATE = "POST /models/acme/parrot/predictions";
const STREAM = "GET /stream/p1";
const STATE = "GET /predictions/p1";
const CANCEL = "POST /predictions/p1/cancel";

const sse = (body: BodyInit): Response => new Response(body, { headers: { "content-type": "text/event-stream" } });
const textOf = (stream: string): string =>
  [...stream.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text ?? "").join("");

test("a stream is followed to its end, and its usage is that of the last state", async () => {
  const log: string[] = [];
  const done = "event: done\ndata: {}\n\n";
  const script = { [CREATE]: () => state("starting"), [STREAM]: () => sse(SAID + done), [STATE]: whole };
  const generated = await generate(inputOf({ stream: true }), portsWith(log, script));
  if (generated.kind !== "stream") throw new Error(JSON.stringify(generated));
  const answer = await new Response(generated.body).text();
  expect(textOf(answer)).toBe("Hello 🌱");
  expect(answer).toContain('"prompt_tokens":7');
  expect(answer).toContain('"finish_reason":"stop"');
  expect(log.filter((line) => line.includes("/"))).toEqual([CREATE, STREAM, STATE]);
  expect(log).toContain("settle 10000");
});

test("a buffered answer is asked for until it is there", async () => {
  const log: string[] = [];
  const generated = await generate(inputOf(), portsWith(log, { [CREATE]: () => state("processing"), [STATE]: whole }));
  expect(generated).toMatchObject({ kind: "reply", body: { choices: [{ message: { content: "Hello 🌱" } }] } });
  expect(log.filter((line) => line.includes("/"))).toEqual([CREATE, STATE]);
});

test("hardware that is paid by the second is charged by the time that it was busy, streamed and buffered", async () => {
  const done = "event: done\ndata: {}\n\n";
  const script = { [CREATE]: () => state("starting"), [STREAM]: () => sse(SAID + done), [STATE]: whole };
  for (const stream of [true, false]) {
    const log: string[] = [];
    const generated = await generate(inputOf({ stream }), portsWith(log, script, { price: BY_THE_SECOND }));
    if (generated.kind === "stream") await new Response(generated.body).text();
    // A quarter of a second at $0.0014.
    await expect.poll(() => log, { timeout: 20_000 }).toContain("settle 350000");
  }
});

test("a client that leaves stops the prediction, and pays for what it got", async () => {
  const log: string[] = [];
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  void writer.write(new TextEncoder().encode(SAID)).catch(() => undefined);
  const script: Script = {
    [CREATE]: () => state("starting"),
    [STREAM]: (signal) => {
      signal?.addEventListener("abort", () => void writer.abort(new Error("aborted")).catch(() => undefined));
      return sse(readable);
    },
    [CANCEL]: () => state("canceled"),
  };
  const leaving = new AbortController();
  const input = { ...inputOf({ stream: true }), signal: leaving.signal };
  const generated = await generate(input, portsWith(log, script));
  if (generated.kind !== "stream") throw new Error(JSON.stringify(generated));
  const reader = generated.body.getReader();
  await reader.read();
  leaving.abort();
  await expect.poll(() => log, { timeout: 20_000 }).toContain(CANCEL);
  await expect.poll(() => log.some((line) => /^settle [1-9]/.test(line)), { timeout: 20_000 }).toBe(true);
  expect(log.filter((line) => line === CANCEL)).toHaveLength(1);
});
