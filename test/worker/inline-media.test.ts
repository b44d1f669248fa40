/**
 * Media at an address, for a provider that fetches none: it stands in the request as base64, while it is still arriving. What
 * is wrong with the address is said to the client, costs nothing and counts against no provider.
 */
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { gateOf, USD } from "./account-setup.ts";
import { newTenant, type Answer } from "./fixture.ts";
import { A_CAT, lookAt, publishEyes, aperiodicBytes } from "./media-setup.ts";

const BYTES_MAX = 400_000;
const FILE = aperiodicBytes(300_001);
const BASE64 = Buffer.from(FILE).toString("base64");

beforeAll(async () => {
  const blind = { inline_media: ["image", "file"], inline_bytes_max: BYTES_MAX };
  const adapter = "openai-compatible";
  await publishEyes(
    [
      { slug: "blind", adapter, quirks: blind },
      { slug: "keen", adapter, quirks: { inline_media: [] } },
    ],
    { "eye/blind": ["blind"], "eye/both": ["blind", "keen"] },
  );
});

/** What stands at `https://media.example/<path>`. */
const SITE: Readonly<Record<string, () => Response>> = {
  "cat.png": () => new Response(FILE, { headers: { "content-type": "image/png; charset=x" } }),
  "untyped.png": () => new Response(FILE, { headers: { "content-type": "application/octet-stream" } }),
  "unmeasured.png": () => new Response(inPieces(FILE), { headers: { "content-type": "image/png" } }),
  "a.pdf": () => new Response(FILE, { headers: { "content-type": "application/pdf" } }),
  "page.png": () => new Response("<html>", { headers: { "content-type": "text/html" } }),
  "huge.png": () => new Response(new Uint8Array(BYTES_MAX + 1), { headers: { "content-type": "image/png" } }),
  "endless.png": () =>
    new Response(inPieces(new Uint8Array(2 * BYTES_MAX)), { headers: { "content-type": "image/png" } }),
  "cut.png": () => new Response(cut(), { headers: { "content-type": "image/png" } }),
  "moved.png": () => new Response(null, { status: 302, headers: { location: "https://media.example/cat.png" } }),
  "inside.png": () => new Response(null, { status: 302, headers: { location: "https://169.254.169.254/latest" } }),
};

function inPieces(bytes: Uint8Array): ReadableStream {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const work = async () => {
    for (let from = 0; from < bytes.length; from += 10_000) await writer.write(bytes.subarray(from, from + 10_000));
    await writer.close();
  };
  void work().catch(() => undefined);
  return readable;
}

function cut(): ReadableStream {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  void writer.write(FILE.subarray(0, 1_000)).then(
    () => writer.abort(new Error("gone")),
    () => undefined,
  );
  return readable;
}

interface Sent {
  readonly provider: string;
  readonly body: string;
}
let sent: Sent[] = [];
let fetched: string[] = [];

beforeEach(() => {
  sent = [];
  fetched = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = new URL(input as string);
    if (url.hostname === "media.example") {
      fetched.push(url.pathname.slice(1));
      return SITE[url.pathname.slice(1)]?.() ?? new Response("no", { status: 404 });
    }
    const provider = url.hostname.split(".")[0] ?? "";
    sent.push({ provider, body: await new Request(url, init as RequestInit).text() });
    return Response.json(A_CAT);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const image = (url: string) => ({ type: "image_url", image_url: { url } });
const file = (url: string) => ({ type: "file", file: { filename: "a.pdf", file_data: url } });

async function look(modelId: string, parts: readonly object[]): Promise<Answer & { readonly chargedNusd: bigint }> {
  const tenant = await newTenant(10n * USD);
  const answer = await lookAt(tenant.key, modelId, parts);
  const view = async () => {
    const now = await gateOf(tenant.id).view();
    return now.ok ? now.value : undefined;
  };
  await vi.waitFor(async () => expect((await view())?.heldNusd).toBe(0n), { timeout: 20_000 });
  return { ...answer, chargedNusd: 10n * USD - ((await view())?.balanceNusd ?? 0n) };
}

const at = (path: string) => `https://media.example/${path}`;

test.each([
  ["an image", image(at("cat.png")), "data:image/png"],
  ["an image whose type its name says", image(at("untyped.png")), "data:image/png"],
  ["an image whose length nobody says", image(at("unmeasured.png")), "data:image/png"],
  ["an image that has moved", image(at("moved.png")), "data:image/png"],
  ["a file", file(at("a.pdf")), "data:application/pdf"],
])("%s is inlined", async (_name, part, head) => {
  const answer = await look("eye/blind", [part]);
  expect(answer.body).toMatchObject({ choices: [{ message: { content: "A cat" } }] });
  const body = sent[0]?.body ?? "";
  expect(body.includes(`"${head};base64,${BASE64}"`)).toBe(true);
  expect(() => JSON.parse(body) as unknown).not.toThrow();
});

test("one address named twice stands in both places", async () => {
  await look("eye/blind", [image(at("cat.png")), image(at("cat.png"))]);
  expect(sent[0]?.body.split(BASE64)).toHaveLength(3);
});

test.each([
  ["nothing there", "none.png", /media\.example answered 404/],
  ["a page", "page.png", /content type text\/html/],
  ["too large, and says so", "huge.png", /larger than the 400000 bytes/],
  ["too large, and does not say so", "endless.png", /larger than the 400000 bytes/],
  ["cut off", "cut.png", /broke off/],
  ["sent on to a private address", "inside.png", /169\.254\.169\.254/],
])("an image that is %s", async (_name, path, says) => {
  const answer = await look("eye/blind", [image(at(path))]);
  expect(answer.status).toBe(400);
  expect(JSON.stringify(answer.body)).toMatch(says);
  expect(answer.chargedNusd).toBe(0n);
});

test.each(["http://media.example/cat.png", "https://127.0.0.1/cat.png", "https://[::ffff:10.0.0.1]/cat.png"])(
  "%s is never fetched",
  async (url) => {
    const answer = await look("eye/blind", [image(url)]);
    expect(answer.status).toBe(400);
    expect(fetched).toEqual([]);
    expect(sent).toEqual([]);
  },
);

test("a provider that fetches for itself gets the address, and may have what another could not", async () => {
  const answer = await look("eye/both", [image(at("none.png"))]);
  expect(answer.body).toMatchObject({ provider: "keen" });
  expect(sent.map(({ provider }) => provider)).toEqual(["keen"]);
  expect(sent[0]?.body).toContain(at("none.png"));
});
