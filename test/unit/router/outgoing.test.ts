/** What is whole before it is sent, and what is not: only a format that signs the body waits for media. */
import { expect, test } from "vitest";
import type { ChatRequest } from "../../../src/core/chat.ts";
import { ok } from "../../../src/core/result.ts";
import type { Adapter, Target } from "../../../src/providers/adapter.ts";
import { bedrock } from "../../../src/providers/bedrock.ts";
import { vertex } from "../../../src/providers/vertex.ts";
import { prepare } from "../../../src/router/outgoing.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const REQUEST: ChatRequest = {
  ...HELLO,
  messages: [{ role: "user", parts: [{ type: "image", url: "https://example.com/a.png" }] }],
};
const IMAGE = Uint8Array.of(1, 2, 3);
let marks = 0;
const ports = {
  randomBytes: (length: number) => new Uint8Array(length).fill(++marks),
  openMedia: async () =>
    ok({ type: "image/png", bytes: 3, body: new Response(IMAGE).body ?? new ReadableStream<Uint8Array>() }),
};
const ACCOUNT = { client_email: "a@p.iam.gserviceaccount.com", private_key: "x", project_id: "p" };

test.each<{ name: string; adapter: Adapter; over: Partial<Target>; isWhole: boolean }>([
  {
    name: "signatures of the body",
    adapter: bedrock,
    over: { upstreamModel: "anthropic.claude-sonnet-4-5-20250929-v1:0", region: "us-east-1" },
    isWhole: true,
  },
  {
    name: "tokens in a header",
    adapter: vertex,
    over: { upstreamModel: "claude-sonnet-4-5", credential: JSON.stringify(ACCOUNT) },
    isWhole: false,
  },
])("$name", async ({ adapter, over, isWhole }) => {
  const prepared = await prepare(
    adapter,
    { ...DEFAULT_TARGET, ...over },
    { request: REQUEST, attachments: null },
    ports,
  );
  if (!prepared.ok) throw new Error(prepared.error.message);
  const { outgoing, unsigned, done } = prepared.value;
  const segments = Array.isArray(outgoing.body) ? outgoing.body : [outgoing.body];
  const isArriving = segments.some((segment) => typeof segment === "object" && !(segment instanceof Uint8Array));
  expect(isArriving).toBe(!isWhole);
  expect(unsigned?.body === null).toBe(!isWhole);
  done();
});
