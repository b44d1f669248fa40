/** What an error that nobody expected says to the client and to the log: nothing that its message may hold. */
import { expect, test } from "vitest";
import { createApp } from "../../../src/http/app.ts";
import type { Deps } from "../../../src/http/deps-port.ts";

const SECRET = "sk-live-0123456789abcdef";

/** `error` with properties changed after its stack was made. */
function changed(error: Error, properties: Partial<Error>): Error {
  expect(error.stack).toBeDefined();
  return Object.assign(error, properties);
}

test.each<{ name: string; error: Error; said: { name: string; place: unknown } }>([
  {
    name: "a secret in its message",
    error: new TypeError(`cannot read ${SECRET}`),
    said: { name: "TypeError", place: expect.stringMatching(/^at .*bug\.test\.ts:\d+:\d+\)?$/) },
  },
  {
    name: "a message that looks like a stack",
    error: new RangeError(`no\n    at ${SECRET} (file.ts:1:1)`),
    said: { name: "RangeError", place: expect.stringMatching(/^at .*bug\.test\.ts:\d+:\d+\)?$/) },
  },
  {
    name: "a secret in its name",
    error: changed(new Error("x"), { name: `KeyError ${SECRET}` }),
    said: { name: "Error", place: expect.stringMatching(/^at .*bug\.test\.ts:\d+:\d+\)?$/) },
  },
  {
    name: "no message at all",
    error: new SyntaxError(),
    said: { name: "SyntaxError", place: expect.stringMatching(/^at .*bug\.test\.ts:\d+:\d+\)?$/) },
  },
  {
    name: "a message changed later",
    error: changed(new TypeError("first"), { message: SECRET }),
    said: { name: "TypeError", place: null },
  },
  {
    name: "a stack that somebody wrote",
    error: changed(new Error("x"), { stack: `    at ${SECRET}` }),
    said: { name: "Error", place: null },
  },
  {
    name: "a secret in its cause",
    error: new Error("x", { cause: new Error(SECRET) }),
    said: { name: "Error", place: expect.any(String) },
  },
])("a bug with $name is masked for the client, and told to the log by name and place only", async ({ error, said }) => {
  const lines: string[] = [];
  const deps = {
    settings: { operatorKey: "operator-key-of-the-test", trustsPlace: false },
    clock: () => 1_790_000_000_000,
    randomBytes: (length: number) => new Uint8Array(length),
    log: (line: string) => lines.push(line),
    verify: () => Promise.reject(error),
  } as unknown as Deps; // the rest is not reached
  const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} };
  const answer = await createApp(() => Promise.resolve(deps)).request(
    "/api/v1/key",
    { headers: { Authorization: `Bearer ${SECRET}` } },
    {},
    context,
  );
  const requestId = answer.headers.get("X-Request-Id");
  const body = await answer.text();
  expect({ status: answer.status, body: JSON.parse(body) as unknown }).toMatchObject({
    status: 500,
    body: { error: { code: 500, message: "Internal Server Error" } },
  });
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { event: "bug", request_id: requestId, ...said },
    expect.objectContaining({ event: "request", request_id: requestId, status: 500, error: "internal" }),
  ]);
  expect(`${body}${lines.join("\n")}`).not.toContain(SECRET);
});
