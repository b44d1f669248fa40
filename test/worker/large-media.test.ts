/** A large image or file: it reaches each wire format whole, from its first or a later provider, and is counted by its size. */
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { USD } from "./account-setup.ts";
import { ask, newTenant, type Answer } from "./fixture.ts";
import { A_CAT, lookAt, publishEyes, aperiodicBytes } from "./media-setup.ts";

const ADAPTERS = ["openai-compatible", "anthropic", "gemini"] as const;
type Adapter = (typeof ADAPTERS)[number];

/** 3 MB of base64. */
const DATA = Buffer.from(aperiodicBytes(2_250_000)).toString("base64");

beforeAll(async () => {
  const each = ADAPTERS.map((adapter) => [`eye/${adapter}`, [adapter]] as const);
  await publishEyes(
    ADAPTERS.map((adapter) => ({ slug: adapter, adapter })),
    { ...Object.fromEntries(each), "eye/any": ADAPTERS },
  );
});

interface Sent {
  readonly adapter: Adapter;
  readonly body: string;
  readonly length: string | null;
}
let sent: Sent[] = [];
let failing: readonly string[] = [];

const REPLIES: Readonly<Record<Adapter, unknown>> = {
  "openai-compatible": A_CAT,
  anthropic: {
    type: "message",
    role: "assistant",
    content: [{ type: "text", text: "A cat" }],
    stop_reason: "end_turn",
    usage: { input_tokens: 900, output_tokens: 2 },
  },
  gemini: {
    candidates: [{ content: { role: "model", parts: [{ text: "A cat" }] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 900, candidatesTokenCount: 2, totalTokenCount: 902 },
  },
};

beforeEach(() => {
  sent = [];
  failing = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as string, init as RequestInit);
    const adapter = ADAPTERS.find((name) => request.url.includes(`//${name}.test`));
    if (adapter === undefined) throw new Error(request.url);
    sent.push({ adapter, body: await request.text(), length: request.headers.get("content-length") });
    return failing.includes(adapter) ? new Response("{}", { status: 500 }) : Response.json(REPLIES[adapter]);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const PARTS = {
  image: { type: "image_url", image_url: { url: `data:image/png;base64,${DATA}` } },
  file: { type: "file", file: { filename: "a.pdf", file_data: `data:application/pdf;base64,${DATA}` } },
} as const;

async function look(modelId: string, kind: keyof typeof PARTS): Promise<Answer> {
  const tenant = await newTenant(10n * USD);
  return await lookAt(tenant.key, modelId, [PARTS[kind]]);
}

test.each(ADAPTERS.flatMap((adapter) => [{ adapter, kind: "image" } as const, { adapter, kind: "file" } as const]))(
  "a large $kind reaches $adapter whole",
  async ({ adapter, kind }) => {
    const answer = await look(`eye/${adapter}`, kind);
    expect(answer.body).toMatchObject({ choices: [{ message: { content: "A cat" } }] });
    expect(sent).toHaveLength(1);
    const { body = "" } = sent[0] ?? {};
    // Compared as booleans: a difference of megabytes is not worth printing.
    expect(body.includes(DATA)).toBe(true);
    expect(body.length - DATA.length).toBeLessThan(2_000);
    expect(() => JSON.parse(body) as unknown).not.toThrow();
  },
);

test("a later provider gets it whole too", async () => {
  failing = ["openai-compatible", "gemini"];
  const answer = await look("eye/any", "image");
  expect(answer.body).toMatchObject({ provider: "anthropic" });
  expect(sent.length).toBeGreaterThanOrEqual(1);
  for (const { body } of sent) expect(body.includes(DATA)).toBe(true);
});

test("a text cannot name what was cut out", async () => {
  const tenant = await newTenant(10n * USD);
  const texts = [`_media-${"0".repeat(32)}_`, "_media-"];
  await ask("POST", "/chat/completions", tenant.key, {
    model: "eye/openai-compatible",
    max_tokens: 10,
    messages: [{ role: "user", content: [...texts.map((text) => ({ type: "text", text })), PARTS.image] }],
  });
  const { body = "" } = sent[0] ?? {};
  expect(body.split(DATA)).toHaveLength(2);
  for (const text of texts) expect(body.includes(JSON.stringify(text))).toBe(true);
});
