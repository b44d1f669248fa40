/** What the soak's client makes of a tool's call: whole, cut where credit ended, or wrong. The server is a real one. */
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

/** Asks a server that streams these pieces of a call's arguments and this end. */
async function seenOf(pieces: readonly string[], finishReason: string): Promise<Seen> {
  const frames = [
    ...pieces.map((piece) => ({ delta: { tool_calls: [{ index: 0, function: { arguments: piece } }] } })),
    { delta: {}, finish_reason: finishReason },
  ].map((choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`);
  const server = createServer((asked, response) => {
    asked.resume();
    response.writeHead(200, { "content-type": "text/event-stream", "x-generation-id": "gen-1" });
    response.end(`${frames.join("")}data: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const account = { id: "gl1a", key: "key", isPoor: true };
  const seen = await askOnce(`http://127.0.0.1:${port}`, account, request, new AbortController().signal);
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
  const seen = await seenOf(pieces, reason);
  expect(seen).toMatchObject({ how: "whole", generationId: "gen-1", hasWords: true });
  if (fault === null) expect(seen.fault).toBeNull();
  else expect(seen.fault).toContain(fault);
});
