/** What counts as in flight: the bytes that are held, whatever was declared. */
import { afterEach, expect, test } from "vitest";
import { BODY_BYTES_MAX, IN_FLIGHT_BYTES_MAX, readJson } from "../../src/http/body.ts";

const MIB = 1024 * 1024;

/** A body whose bytes are sent piece by piece: the text `"xxx..."`, which is JSON. */
function upload(declaredBytes: number | null = null) {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const request = new Request("http://waypost.test/", {
    method: "POST",
    body: readable,
    headers: declaredBytes === null ? {} : { "content-length": String(declaredBytes) },
  });
  const write = (text: string) => writer.write(new TextEncoder().encode(text));
  const reading = readJson(request);
  opened.push(async () => {
    await writer.abort().catch(() => undefined);
    const read = await reading;
    if (read.ok) read.value.release();
  });
  return {
    reading,
    begin: () => write('"'),
    async send(bytes: number) {
      for (let sent = 0; sent < bytes; sent += MIB) await write("x".repeat(Math.min(MIB, bytes - sent)));
    },
    async end() {
      await write('"');
      await writer.close();
      return reading;
    },
  };
}

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function whole(bytes: number, declaredBytes: number | null = null) {
  const one = upload(declaredBytes);
  await one.begin();
  await one.send(bytes);
  return one.end();
}

test.each([
  { name: "of unknown length", declared: null },
  { name: "that was declared", declared: 20 * MIB + 2 },
])("what has arrived of a body $name counts, so the next one does not fit", async ({ declared }) => {
  const first = upload(declared);
  await first.begin();
  await first.send(20 * MIB);
  expect(await whole(13 * MIB)).toMatchObject({ ok: false, error: { kind: "overloaded", retryAfterS: 1 } });
  expect(await whole(13 * MIB, 13 * MIB + 2)).toMatchObject({ ok: false, error: { kind: "overloaded" } });
  const small = await whole(MIB);
  expect(small).toMatchObject({ ok: true });
  if (small.ok) small.value.release();
  const done = await first.end();
  expect(done).toMatchObject({ ok: true });
  // Parsed, and still held by whoever uses its values.
  expect(await whole(13 * MIB)).toMatchObject({ ok: false });
  if (done.ok) done.value.release();
  expect(await whole(13 * MIB)).toMatchObject({ ok: true });
});

test("declared bodies that never arrive keep nobody out", async () => {
  for (let at = 0; at < 8; at++) await upload(BODY_BYTES_MAX).begin();
  expect(await whole(10 * MIB, 10 * MIB + 2)).toMatchObject({ ok: true });
});

test("one body alone may be as large as the limit, and not larger", async () => {
  expect(BODY_BYTES_MAX).toBeLessThan(IN_FLIGHT_BYTES_MAX);
  const largest = await whole(BODY_BYTES_MAX - 2);
  expect(largest).toMatchObject({ ok: true });
  if (largest.ok) largest.value.release();
  expect(await whole(BODY_BYTES_MAX)).toMatchObject({ ok: false, error: { kind: "too_large" } });
  expect(await whole(MIB, BODY_BYTES_MAX + 1)).toMatchObject({ ok: false, error: { kind: "too_large" } });
});

test("what is no JSON holds nothing", async () => {
  const broken = upload();
  await broken.send(20 * MIB);
  expect(await broken.end()).toMatchObject({ ok: false, error: { kind: "bad_request" } });
  expect(await whole(20 * MIB)).toMatchObject({ ok: true });
});
