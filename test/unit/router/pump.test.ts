/** The loop between upstream and client, with both played by the test: what is written, counted and aborted, and when. */
import { expect, test } from "vitest";
import type { GenerationEvent } from "../../../src/core/event.ts";
import type { UpstreamFailure } from "../../../src/core/error.ts";
import { completionTokens, NO_USAGE } from "../../../src/core/usage.ts";
import { createMeter } from "../../../src/router/meter.ts";
import { pump, type PumpEnd } from "../../../src/router/pump.ts";
import { timeoutFailure } from "../../../src/router/deadlines.ts";
import { PLAUSIBLE } from "./world.ts";

const say = (text: string): GenerationEvent => ({ type: "text-delta", choice: 0, text });
const USED: GenerationEvent = { type: "usage", usage: { ...NO_USAGE, inputText: 3, outputText: 7 } };
const FAILURE: UpstreamFailure = timeoutFailure("idle");
const BROKEN: GenerationEvent = { type: "error", failure: FAILURE };

/** What the answer holds: characters until the next step is due, and what becomes of that. */
interface Holding {
  readonly dueChars: number;
  readonly reach: boolean | Promise<boolean>;
}
const ALL_HELD: Holding = { dueChars: Number.POSITIVE_INFINITY, reach: false };

interface Run {
  readonly end: PumpEnd;
  readonly written: string;
  readonly log: readonly string[];
  readonly tokens: number;
}

/** Pumps `batches`; the client leaves after so many writes. */
async function run(
  batches: readonly (readonly GenerationEvent[])[],
  leavesAfter = Number.POSITIVE_INFINITY,
  { dueChars, reach }: Holding = ALL_HELD,
  knowsEnd = false,
): Promise<Run> {
  const log: string[] = [];
  const [first = [], ...rest] = batches;
  let written = "";
  let writes = 0;
  const meter = createMeter(3, PLAUSIBLE);
  const end = await pump(
    {
      kind: "answered",
      first,
      stream: {
        next: () => Promise.resolve(rest.shift() ?? null),
        isOver: () => rest.length === 0 && knowsEnd,
        isSpent: () => false,
        linger: () => null,
      },
      guard: {
        enter: (phase) => log.push(phase),
        pause: () => log.push("pause"),
        expired: () => null,
        end: () => log.push("end"),
      },
      leave: () => log.push("leave"),
      sentAtMs: 0,
      firstAtMs: 1,
    },
    { render: (events) => events.map((event) => (event.type === "text-delta" ? event.text : "")).join("") },
    {
      write: async (text) => {
        writes++;
        written += text;
      },
      close: () => Promise.resolve(),
      isGone: () => writes >= leavesAfter,
    },
    meter,
    {
      steps: {
        dueChars,
        reach: () => {
          log.push("reach");
          return reach;
        },
      },
      exhaust: async () => void log.push("exhaust"),
    },
  );
  return { end, written, log, tokens: completionTokens(meter.read(end.kind !== "broken").usage) };
}

test.each<{
  name: string;
  batches: readonly (readonly GenerationEvent[])[];
  leavesAfter?: number;
  end: PumpEnd;
  written: string;
  tokens: number;
}>([
  {
    name: "a whole answer",
    batches: [[say("a")], [say("b"), say("c")], [USED]],
    end: { kind: "completed", unsent: "" },
    written: "abc",
    tokens: 7,
  },
  {
    name: "an answer that breaks in a batch of its own",
    batches: [[say("a")], [BROKEN], [say("never")]],
    end: { kind: "broken", failure: FAILURE },
    written: "a",
    tokens: 1,
  },
  {
    name: "an answer that breaks behind text",
    batches: [[say("a")], [say("b"), BROKEN]],
    end: { kind: "broken", failure: FAILURE },
    written: "ab",
    tokens: 1,
  },
  {
    name: "an answer that breaks in its first batch",
    batches: [[say("a"), BROKEN]],
    end: { kind: "broken", failure: FAILURE },
    written: "a",
    tokens: 1,
  },
  {
    name: "a client that leaves, aborted",
    batches: [[say("a")], [say("b")], [BROKEN]],
    leavesAfter: 1,
    end: { kind: "cancelled", by: "aborted" },
    written: "a",
    tokens: 1,
  },
  {
    name: "a client that leaves, drained",
    batches: [[say("a")], [say("b")], [say("c"), USED]],
    leavesAfter: 1,
    end: { kind: "cancelled", by: "drained" },
    written: "a",
    tokens: 7,
  },
  {
    name: "a client that leaves as the answer breaks",
    batches: [[say("a"), BROKEN]],
    leavesAfter: 1,
    end: { kind: "cancelled", by: "aborted" },
    written: "a",
    tokens: 1,
  },
  {
    name: "a client that was gone before",
    batches: [[say("a")], [USED]],
    leavesAfter: 0,
    end: { kind: "cancelled", by: "drained" },
    written: "",
    tokens: 7,
  },
])("$name", async ({ batches, leavesAfter, end, written, tokens }) => {
  const done = await run(batches, leavesAfter);
  expect({ end: done.end, written: done.written, tokens: done.tokens }).toEqual({ end, written, tokens });
  // One that is complete is the caller's to leave, with the client's last words.
  expect(done.log.slice(done.log.indexOf("end"))).toEqual(end.kind === "completed" ? ["end"] : ["end", "leave"]);
});

test.each<{ name: string; batches: readonly (readonly GenerationEvent[])[]; holding?: Holding; unsent: string }>([
  { name: "go out with its ending", batches: [[say("a")], [say("b"), USED]], unsent: "b" },
  { name: "are all there were", batches: [[say("ab"), USED]], unsent: "ab" },
  { name: "are none", batches: [[say("ab")], [USED]], unsent: "" },
  {
    name: "wait for the credit that they need",
    batches: [[say("a")], [say("b"), USED]],
    holding: { dueChars: 2, reach: true },
    unsent: "",
  },
])("the last words of an answer whose end is known $name", async ({ batches, holding, unsent }) => {
  const { end, written, log, tokens } = await run(batches, undefined, holding, true);
  expect([end, written + unsent, tokens]).toEqual([{ kind: "completed", unsent }, "ab", 7]);
  expect(log.at(-1)).toBe("end");
});

test("the last words before a break go out at once", async () => {
  const { end, written } = await run([[say("a")], [say("b"), BROKEN]], undefined, ALL_HELD, true);
  expect([end.kind, written]).toEqual(["broken", "ab"]);
});

test("a client that is gone gets no last words", async () => {
  const { end, written, tokens } = await run([[say("a")], [say("b"), USED]], 1, ALL_HELD, true);
  expect([end, written, tokens]).toEqual([{ kind: "cancelled", by: "drained" }, "a", 7]);
});

test("empty batches are no progress, and a slow client is no silence of the upstream", async () => {
  const { log } = await run([[say("a")], [], [], [say("b")]]);
  expect(log).toEqual(["pause", "idle", "pause", "idle", "end"]);
});

test.each<{ name: string; rest: readonly (readonly GenerationEvent[])[]; by: "aborted" | "drained"; tokens: number }>([
  { name: "aborted", rest: [[BROKEN]], by: "aborted", tokens: 1 },
  { name: "drained", rest: [[say("c")], [USED]], by: "drained", tokens: 7 },
])("an answer whose credit is used up is ended once, and $name", async ({ rest, by, tokens }) => {
  const done = await run([[say("a")], [say("b")], ...rest], undefined, { dueChars: 2, reach: Promise.resolve(false) });
  expect({ end: done.end, written: done.written, tokens: done.tokens }).toEqual({
    end: { kind: "exhausted", by },
    written: "ab",
    tokens,
  });
  expect(done.log.filter((one) => one === "reach" || one === "exhaust")).toEqual(["reach", "exhaust"]);
});

test("an answer for which more is held goes on", async () => {
  const { end, written } = await run([[say("a")], [say("b")]], undefined, { dueChars: 1, reach: true });
  expect([end, written]).toEqual([{ kind: "completed", unsent: "" }, "ab"]);
});

test("a client that leaves with the last that was held has left, and is not cut", async () => {
  const { end, log } = await run([[say("a")], [say("b")]], 1, { dueChars: 1, reach: false });
  expect([end.kind, log.includes("exhaust")]).toEqual(["cancelled", false]);
});
