/** The `openai` client with `Idempotency-Key` against a real server: repeats, a kill in between, a client that leaves. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Server } from "../serve.ts";
import { HELLO, MODEL, SLOW, USAGE } from "../upstream-aimock.ts";
import { openStage, say, type Stage } from "./stage.ts";

let stage: Stage;
let server: Server;
let client: OpenAI;

beforeAll(async () => {
  stage = await openStage();
  ({ server } = stage);
  client = new OpenAI({ baseURL: server.apiBase, apiKey: stage.tenant.key, maxRetries: 0, timeout: 60_000 });
});
afterAll(async () => {
  await server?.stop();
  await stage?.close();
});

const once = (key: string) => ({ headers: { "Idempotency-Key": key } });
const usage = async (): Promise<number> => {
  const answer = await client.get<{ data: { usage: number } }>("/key", { timeout: 10_000 });
  return answer.data.usage;
};

async function streamed(key: string, prompt: string, abortAfterChars = Number.POSITIVE_INFINITY): Promise<string[]> {
  const abort = new AbortController();
  const body = { model: MODEL, messages: say(prompt), stream: true } as const;
  const stream = await client.chat.completions.create(body, { ...once(key), signal: abort.signal });
  const chunks: string[] = [];
  let chars = 0;
  for await (const chunk of stream) {
    chunks.push(JSON.stringify(chunk));
    chars += chunk.choices[0]?.delta.content?.length ?? 0;
    if (chars > abortAfterChars) abort.abort();
  }
  return chunks;
}

test("a buffered answer repeats as it was, through a kill of the server, and is charged once", async () => {
  const ask = () => client.chat.completions.create({ model: MODEL, messages: say(HELLO.prompt) }, once("buffered"));
  const before = stage.upstream.requests().length;
  const first = await ask();
  const cost = (await stage.generation(first.id)).total_cost;
  expect(await ask()).toEqual(first);
  await server.kill();
  server = await server.restart();
  expect(await ask()).toEqual(first);
  expect(stage.upstream.requests().length - before).toBe(1);
  expect(await usage()).toBeCloseTo(cost, 9);
});

test("a streamed answer repeats event by event, also to those that ask while it runs", async () => {
  const before = stage.upstream.requests().length;
  const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => streamed("streamed", SLOW.prompt)));
  expect(first?.length).toBeGreaterThan(20);
  for (const other of [...others, await streamed("streamed", SLOW.prompt)]) expect(other).toEqual(first);
  expect(stage.upstream.requests().length - before).toBe(1);
});

test("a client that leaves in mid-stream is charged for what it got, and its repeat is told so instead of charged again", async () => {
  const before = stage.upstream.requests().length;
  const chunks = await streamed("left", SLOW.prompt, SLOW.abortAfterChars);
  const { id } = JSON.parse(chunks[0] ?? "") as { id: string }; // a chunk of the client
  const { total_cost: cost, cancelled } = await stage.generation(id);
  expect({ cancelled, isCharged: cost > 0 }).toEqual({ cancelled: true, isCharged: true });
  await expect(streamed("left", SLOW.prompt)).rejects.toMatchObject({
    status: 409,
    error: { message: expect.stringContaining("cut short"), metadata: { generation_id: id } },
  });
  expect(stage.upstream.requests().length - before).toBe(1);
});

test("the key of another request is refused with the client's own error", async () => {
  const ask = (prompt: string) =>
    client.chat.completions.create({ model: MODEL, messages: say(prompt) }, once("other"));
  expect((await ask(HELLO.prompt)).usage?.completion_tokens).toBe(USAGE.completion);
  await expect(ask(SLOW.prompt)).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError);
});

test("a request that a kill interrupted before its end is served anew as soon as its claim has ended", async () => {
  const before = stage.upstream.requests().length;
  const broken = streamed("killed", SLOW.prompt).catch(() => null);
  await expect.poll(() => stage.upstream.requests().length - before).toBe(1);
  await server.kill();
  expect(await broken).toBeNull();
  server = await server.restart();
  // It waits for the one that is dead, until that one's claim is over.
  expect((await streamed("killed", SLOW.prompt)).length).toBeGreaterThan(20);
  expect(stage.upstream.requests().length - before).toBe(2);
});
