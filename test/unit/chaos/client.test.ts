/** What the soak's client makes of answers: whole, cut where credit ended, or wrong. The server is a real one. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { askOnce, type Seen } from "../../chaos/client.ts";
import { requestAt, wordsOf, type PlannedRequest } from "../../chaos/plan.ts";
import { PROVIDERS } from "../../chaos/world.ts";

const PROVIDER = PROVIDERS[0];
const planned = requestAt(1, 3, 0, 0);
const request: PlannedRequest = {
  ...planned,
  wish: { ...planned.wish, isTool: true, wordCount: 4 },
  isStreamed: true,
  leave: null,
};
const words = wordsOf(PROVIDER, request.wish, 4);

const argumentsOf = (piece: string): object => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] });
const contentOf = (piece: string): object => ({ content: piece });

/** Asks a server that streams these deltas and this end. */
async function seenOf(deltas: readonly object[], finishReason: string, asked: PlannedRequest): Promise<Seen> {
  const frames = [...deltas.map((delta) => ({ delta })), { delta: {}, finish_reason: finishReason }].map(
    (choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`,
  );
  const server = createServer((incoming, response) => {
    incoming.resume();
    response.writeHead(200, { "content-type": "text/event-stream", "x-generation-id": "gen-1" });
    response.end(`${frames.join("")}data: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const account = { id: "gl1a", key: "key", isPoor: true };
  const seen = await askOnce(`http://127.0.0.1:${port}`, account, asked, new AbortController().signal);
  await new Promise((resolve) => server.close(resolve));
  return seen;
}

const OPENED = [`{"text":"${words[0]}`, words[1] ?? ""];

test.each<{ name: string; pieces: readonly string[]; reason: string; fault: string | null }>([
  { name: "whole", pieces: [`{"text":"${words.join("")}"}`], reason: "tool_calls", fault: null },
  { name: "cut where credit ended", pieces: OPENED, reason: "length", fault: null },
  { name: "cut in the middle of a word", pieces: [...OPENED, PROVIDER.slice(0, 1)], reason: "length", fault: null },
  { name: "cut without saying so", pieces: OPENED, reason: "tool_calls", fault: "not the words of a provider" },
  {
    name: "cut, with other words than were sent",
    pieces: [...OPENED, "other"],
    reason: "length",
    fault: "not the words that were sent",
  },
  {
    name: "whole, but too short",
    pieces: [`{"text":"${words[0]}"}`],
    reason: "tool_calls",
    fault: "not the words that were sent",
  },
])("a tool's call that is $name", async ({ pieces, reason, fault }) => {
  const seen = await seenOf(pieces.map(argumentsOf), reason, request);
  expect(seen).toMatchObject({ how: "whole", generationId: "gen-1", hasWords: true });
  if (fault === null) expect(seen.fault).toBeNull();
  else expect(seen.fault).toContain(fault);
});

const REPEATED = [...words, ...words, words[0] ?? ""];

test.each<{ name: string; fault: string; pieces: readonly string[]; reason: string; isFault: boolean }>([
  { name: "an endless one that credit ended", fault: "endless-20", pieces: REPEATED, reason: "length", isFault: false },
  {
    name: "an endless one that says nothing of credit",
    fault: "endless-20",
    pieces: REPEATED,
    reason: "stop",
    isFault: true,
  },
  { name: "one that says its words twice", fault: "ok", pieces: REPEATED, reason: "length", isFault: true },
  { name: "a whole one", fault: "ok", pieces: words, reason: "stop", isFault: false },
])("an answer: $name", async ({ fault, pieces, reason, isFault }) => {
  const asked = { ...request, wish: { ...request.wish, isTool: false, fault, faultCount: 1 } };
  const seen = await seenOf(pieces.map(contentOf), reason, asked);
  expect(seen.how).toBe("whole");
  if (isFault) expect(seen.fault).toContain(`not the words that were sent (${reason})`);
  else expect(seen.fault).toBeNull();
});
