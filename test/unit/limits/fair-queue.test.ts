/** Who is next: paid before free, accounts in turn, nobody beyond the queue's size or a wait's end. */
import { expect, test } from "vitest";
import { createFairQueue, type FairQueue } from "../../../src/limits/fair-queue.ts";

const any = (): boolean => true;

/** `a1 a2 b1` with a trailing `-` for free ones; the letter is the account. */
function queueOf(names: string, sizeMax = 100): { queue: FairQueue<string>; displaced: readonly string[] } {
  const queue = createFairQueue<string>(sizeMax);
  const displaced = names.split(" ").flatMap((value, at) => {
    const waiter = { account: value.slice(0, 1), isPaid: !value.endsWith("-"), deadlineMs: 100 + at, value };
    return queue.add(waiter)?.value ?? [];
  });
  return { queue, displaced };
}

function drained(queue: FairQueue<string>): string {
  const order: string[] = [];
  for (let one = queue.next(any); one !== null; one = queue.next(any)) order.push(one.value);
  return order.join(" ");
}

test.each([
  { name: "one account is served in its order", given: "a1 a2 a3", expect: "a1 a2 a3" },
  { name: "accounts take turns", given: "a1 a2 a3 a4 b1 b2 c1", expect: "a1 b1 c1 a2 b2 a3 a4" },
  { name: "paid goes before free", given: "a1- b1- a2 c1 c2", expect: "a2 c1 c2 a1- b1-" },
])("$name", ({ given, expect: order }) => {
  expect(drained(queueOf(given).queue)).toBe(order);
});

test.each([
  { name: "a full queue refuses", given: "a1 b1 c1", displaced: ["c1"], left: "a1 b1" },
  { name: "a paid one displaces the last free one", given: "a1- b1- c1", displaced: ["a1-"], left: "c1 b1-" },
  { name: "a free one displaces no paid one", given: "a1 b1 c1-", displaced: ["c1-"], left: "a1 b1" },
  { name: "the longest line gives way to a shorter one", given: "a1 a2 b1", displaced: ["a2"], left: "a1 b1" },
])("full: $name", ({ given, displaced, left }) => {
  const made = queueOf(given, 2);
  expect(made.displaced).toEqual(displaced);
  expect(drained(made.queue)).toBe(left);
});

test("who does not fit waits on, and others pass", () => {
  const { queue } = queueOf("a1 a2 b1");
  expect(queue.next((value) => value !== "a1")?.value).toBe("a2");
  expect(queue.next(any)?.value).toBe("b1");
  expect(drained(queue)).toBe("a1");
});

test("waits end at their time", () => {
  const { queue } = queueOf("a1 b1- c1");
  expect(queue.soonestDeadlineMs()).toBe(100);
  expect(queue.expired(101).map(({ value }) => value)).toEqual(["a1", "b1-"]);
  expect(queue.size()).toBe(1);
});

test("those ahead are counted as turns will come", () => {
  const { queue } = queueOf("a1 a2 a3 a4 b1 c1-");
  expect(queue.ahead("d", true)).toBe(2);
  expect(queue.ahead("a", true)).toBe(5);
  expect(queue.ahead("d", false)).toBe(6);
});
