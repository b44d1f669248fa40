/** A large image or file: it reaches each wire format whole, from its first or a later provider, and is counted by its size. */
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ask, newTenant, type Answer } from "./fixture.ts";
import { USD } from "./account-setup.ts";

const ADAPTERS = ["openai-compatible", "anthropic", "gemini"] as const;
type Adapter = (typeof ADAPTERS)[number];

/** 3 MB of base64 without a period that a piece's length could hide. */
const DATA = Buffer.from(Uint8Array.from({ length: 2_250_000 }, (_, at) => (at * 7919 + (at >> 8)) & 255)).toString(
  "base64",
);

function endpoint(provider: string) {
  return {
    tag: provider,
    provider,
    upstream_model: "eye",
    price: { prompt: 1_000, completion: 1_000 },
    price_source: "test",
    context_length: 1_000_000,
    max_completion_tokens: 100,
    supported_parameters: ["max_tokens"],
    input_modalities: ["text", "image", "file"],
  };
}

const model = (id: string, providers: readonly string[]) => ({
  id,
  canonical_slug: id,
  name: id,
  created_s: 1_790_000_000,
  input_modalities: ["text", "image", "file"],
  output_modalities: ["text"],
  endpoints: providers.map(endpoint),
});

beforeAll(async () => {
  const providers = ADAPTERS.map((adapter) => ({
    slug: adapter,
    name: adapter,
    adapter,
    base_url: `https://${adapter}.test/v1`,
    regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
    cancellation: { policy: "stops", source: "test" },
  }));
  const models = [...ADAPTERS.map((adapter) => model(`eye/${adapter}`, [adapter])), model("eye/any", ADAPTERS)];
  expect((await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, { version: 1, providers, models })).status).toBe(200);
  for (const adapter of ADAPTERS) {
    const switched = await ask("PATCH", `/admin/providers/${adapter}`, env.OPERATOR_KEY, { credential: "of-the-test" });
    expect(switched.status).toBe(200);
  }
});

interface Sent {
  readonly adapter: Adapter;
  readonly body: string;
  readonly length: string | null;
}
let sent: Sent[] = [];
let failing: readonly string[] = [];

const REPLIES: Readonly<Record<Adapter, unknown>> = {
  "openai-compatible": {
    choices: [{ index: 0, message: { role: "assistant", content: "A cat" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 900, completion_tokens: 2 },
  },
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
  return await ask("POST", "/chat/completions", tenant.key, {
    model: modelId,
    max_tokens: 10,
    messages: [{ role: "user", content: [{ type: "text", text: "What is this?" }, PARTS[kind]] }],
  });
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
