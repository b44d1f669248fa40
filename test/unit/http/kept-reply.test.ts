import { describe, expect, test } from "vitest";
import { systemRandomBytes } from "../../../src/core/system.ts";
import { openReply, sealReply } from "../../../src/http/kept-reply.ts";
import { ANSWER_CHARS_MAX, createReplyCopy } from "../../../src/http/reply-copy.ts";

const SECRET = "a secret of the tests, long enough";
const CONTEXT = "reply gl1 one";
const HEAD = { status: 200, headers: { "content-type": "text/event-stream", "x-generation-id": "gen-1" } };

const seal = async (body: string) => {
  const pieces = await sealReply(HEAD, body, { context: CONTEXT, secret: SECRET, random: systemRandomBytes });
  if (pieces === null) throw new Error("it is too large");
  return pieces;
};
const open = async (
  pieces: readonly Uint8Array[],
  opening: { context: string; secrets: readonly string[] } = { context: CONTEXT, secrets: [SECRET] },
) => {
  const first = pieces[0] ?? new Uint8Array();
  const opened = await openReply(first, pieces.length, opening, async (at) => pieces[at] ?? null);
  return opened === null ? null : { head: opened.head, body: await new Response(opened.body).text() };
};

test.each([
  { name: "an empty body", body: "", pieces: 1 },
  { name: "a body of lines", body: 'data: {"a":"ü"}\n\n: comment\n\ndata: [DONE]\n\n', pieces: 1 },
  { name: "a body cut within a character", body: "ü".repeat(1_300_000), pieces: 3 },
])("$name comes back as it was", async ({ body, pieces }) => {
  const sealed = await seal(body);
  expect(sealed).toHaveLength(pieces);
  const opened = await open(sealed);
  expect(opened?.head).toEqual(HEAD);
  expect(opened?.body === body).toBe(true);
});

test("the secret before opens it while secrets are rotated; another one does not", async () => {
  const sealed = await seal("body");
  expect(await open(sealed, { context: CONTEXT, secrets: ["the secret that came after it", SECRET] })).toMatchObject({
    body: "body",
  });
  expect(await open(sealed, { context: CONTEXT, secrets: ["the secret that came after it"] })).toBeNull();
});

test("what was sealed for one account and key opens for no other", async () => {
  expect(await open(await seal("body"), { context: "reply gl1 two", secrets: [SECRET] })).toBeNull();
});

test.each([
  { name: "pieces that changed places", change: ([a, b, c]: Uint8Array[]) => [a, c, b] },
  { name: "a piece less", change: ([a, b]: Uint8Array[]) => [a, b] },
  {
    name: "a bit that was turned",
    change: ([a, b, c]: Uint8Array[]) => [a, b?.map((byte, at) => (at === 99 ? byte ^ 1 : byte)), c],
  },
])("$name is no answer", async ({ change }) => {
  const changed = change([...(await seal("x".repeat(2_200_000)))]).filter((piece) => piece !== undefined);
  const opened = await open(changed).catch(() => null);
  expect(opened).toBeNull();
});

test("what is larger than kept is not sealed at all", async () => {
  const sealing = { context: CONTEXT, secret: SECRET, random: systemRandomBytes };
  expect(await sealReply(HEAD, "x".repeat(4 * 1024 * 1024), sealing)).toBeNull();
});

describe("a copy", () => {
  test("holds what was added, and how it ended", () => {
    const copy = createReplyCopy();
    copy.add("a");
    copy.add("b");
    copy.ended({ isCharged: true, hasLeft: false });
    expect(copy.read()).toEqual({ isCharged: true, hasLeft: false, isWithheld: false, text: "ab" });
    copy.release();
  });
  test("of an answer that is too large is given up, and holds nothing", () => {
    const copy = createReplyCopy();
    copy.add("x".repeat(ANSWER_CHARS_MAX));
    copy.add("x");
    expect(copy.read().text).toBeNull();
    copy.add("x");
    expect(copy.read().text).toBeNull();
  });
  test("of what may not be kept holds nothing", () => {
    const copy = createReplyCopy();
    copy.withhold();
    copy.add("x");
    expect(copy.read()).toMatchObject({ isWithheld: true, text: null });
  });
  test("all copies of an isolate together are bounded, and their memory comes back", () => {
    const copies = Array.from({ length: 4 }, createReplyCopy);
    for (const copy of copies) copy.add("x".repeat(ANSWER_CHARS_MAX));
    expect(copies.map((copy) => copy.read().text === null)).toEqual([false, false, false, true]);
    for (const copy of copies) copy.release();
    const next = createReplyCopy();
    next.add("x");
    expect(next.read().text).toBe("x");
    next.release();
  });
});
