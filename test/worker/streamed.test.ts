/**
 * The streamed spine inside workerd with ports of the test's own: what a bug leaves behind, and what a stream says that
 * had to be opened before anybody answered.
 */
import { expect, test } from "vitest";
import { ok } from "../../src/core/result.ts";
import type { Dialect } from "../../src/dialects/dialect.ts";
import { openAiChat } from "../../src/dialects/openai-chat.ts";
import { generate } from "../../src/router/generate.ts";
import type { Generated } from "../../src/router/job.ts";
import type { RouterPorts } from "../../src/router/ports.ts";
import { inputOf, portsOf } from "../unit/router/spine.ts";
import { entryOf } from "../unit/router/world.ts";

const FRAMES = [
  '{"id":"u","choices":[{"index":0,"delta":{"content":"Hello"}}]}',
  '{"id":"u","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
  "[DONE]",
];

/** Ports whose one upstream answers after `waitMs`; what happens to the account goes to `log`. */
function slowPortsOf(waitMs: number, log: string[]): RouterPorts {
  const ports = portsOf(log);
  const startMs = Date.now();
  return {
    ...ports,
    clock: () => ports.clock() + Date.now() - startMs,
    resolve: async () => {
      const entry = entryOf("test/m", [{ tag: "a" }]);
      return ok({ entry, version: "v1", thinking: false, isFree: false, warnings: ["The route has a warning."] });
    },
    fetch: async () => {
      await new Promise<void>((resolve) => setTimeout(resolve, waitMs));
      const body = FRAMES.map((data) => `data: ${data}\n\n`).join("");
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    },
  };
}

// The endpoint of this world does not take `top_k`.
const INPUT = inputOf({ stream: true, top_k: 5 });
const settledIn = (log: readonly string[]): number => log.filter((line) => line.startsWith("settle ")).length;

/** The dialect with a bug in one part of its renderer. */
function brokenAt(part: "render" | "end"): Dialect {
  return {
    ...openAiChat,
    createStreamRenderer: (head) => ({
      ...openAiChat.createStreamRenderer(head),
      [part]() {
        throw new Error("a bug");
      },
    }),
  };
}

async function textOf(generated: Generated): Promise<string> {
  if (generated.kind !== "stream") throw new Error(`no stream but ${generated.kind}`);
  return await new Response(generated.body).text();
}

test("a bug in the renderer ends the stream with one error event, settled and closed", async () => {
  const log: string[] = [];
  const text = await textOf(await generate({ ...INPUT, dialect: brokenAt("render") }, slowPortsOf(0, log)));
  expect(text.match(/"finish_reason":"error"/g)).toHaveLength(1);
  expect(text).not.toContain("a bug");
  expect(settledIn(log)).toBe(1);
});

test("a bug in the ending leaves the platform waiting for the settlement", async () => {
  const log: string[] = [];
  const ports = slowPortsOf(0, log);
  const works: Promise<unknown>[] = [];
  const generated = await generate(
    { ...INPUT, dialect: brokenAt("end") },
    {
      ...ports,
      waitUntil: (work) => void works.push(work.catch(() => undefined)),
      accounts: {
        ...ports.accounts,
        settle: async (account, settlement) => {
          await new Promise<void>((resolve) => setTimeout(resolve, 100));
          return ports.accounts.settle(account, settlement);
        },
      },
    },
  );
  await textOf(generated);
  await Promise.all(works);
  expect(settledIn(log)).toBe(1);
});

test("a stream opened before anybody answered names the route's warnings above and the endpoint's within", async () => {
  const log: string[] = [];
  // The first comment is due after 10 s.
  const generated = await generate(INPUT, slowPortsOf(10_500, log));
  expect(generated).toMatchObject({
    headers: { "X-Waypost-Warning": expect.stringContaining("The route has a warning.") },
  });
  const text = await textOf(generated);
  expect(text.startsWith(openAiChat.keepAlive)).toBe(true);
  expect(text).toMatch(/^: WAYPOST WARNING .*top_k/m);
  expect(text).toContain('"content":"Hello"');
  expect(text).toContain("data: [DONE]");
  expect(settledIn(log)).toBe(1);
}, 20_000);
