/** What Replicate's encoder refuses, and what it makes of a model's own inputs; the rest is in its fixtures. */
import { expect, test } from "vitest";
import type { ChatRequest, Part } from "../../../src/core/chat.ts";
import type { Target } from "../../../src/providers/adapter.ts";
import { replicate } from "../../../src/providers/replicate.ts";
import { CREDENTIAL, DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const IMAGE: Part = { type: "image", url: "data:image/png;base64,iVBORw0KGgo=" };
const asking = (...parts: Part[]): ChatRequest => ({ ...HELLO, messages: [{ role: "user", parts }] });
const at = (upstreamModel: string, quirks: Target["quirks"] = {}): Target => ({
  ...DEFAULT_TARGET,
  upstreamModel,
  quirks,
});

test.each([
  {
    name: "a name without an owner",
    target: at("parrot"),
    request: HELLO,
    says: '"parrot" is not the name of a model',
  },
  { name: "a name that climbs", target: at("../account"), request: HELLO, says: "is not the name of a model" },
  {
    name: "a version that is none",
    target: at("acme/parrot:latest"),
    request: HELLO,
    says: "is not the name of a model",
  },
  {
    name: "quirks that cannot be read",
    target: at("acme/parrot", { inputs: 1 }),
    request: HELLO,
    says: "quirks.inputs",
  },
  {
    name: "sound",
    target: at("acme/parrot"),
    request: asking({ type: "audio", data: "AA==", format: "wav" }),
    says: "takes no audio",
  },
  {
    name: "a video",
    target: at("acme/parrot"),
    request: asking({ type: "video", url: "https://example.com/v" }),
    says: "takes no video",
  },
  {
    name: "sound as the answer",
    target: at("acme/parrot"),
    request: { ...HELLO, modalities: ["text", "audio"] },
    says: "text only",
  },
  {
    name: "a picture where the model takes none",
    target: at("acme/parrot", { inputs: { images: null } }),
    request: asking(IMAGE),
    says: "takes no images",
  },
  {
    name: "two pictures where it takes one",
    target: at("acme/parrot", { inputs: { images_as: "one" } }),
    request: asking(IMAGE, IMAGE),
    says: "no more than one image",
  },
  {
    name: "nobody's word but the system's",
    target: at("acme/parrot"),
    request: { ...HELLO, messages: [{ role: "system", parts: [] }] },
    says: "at least one message",
  },
] as const)("$name is refused with a sentence", ({ target, request, says }) => {
  const encoded = replicate.encode(request, target);
  expect(encoded.ok ? "it was sent" : encoded.error).toContain(says);
});

test("what differs in one model leaves the others alone, and the provider's own differences hold in all", () => {
  const quirks = {
    inputs: { max_tokens: "max_new_tokens", sampling: { seed: "dice" } },
    models: { "acme/owl": { sampling: { top_p: "nucleus" } } },
  };
  const request: ChatRequest = { ...HELLO, maxOutputTokens: 9, sampling: { seed: 7, top_p: 0.5 } };
  const inputOf = (model: string): unknown => {
    const encoded = replicate.encode(request, { ...at(model, quirks), supportedParameters: ["seed", "top_p"] });
    return encoded.ok ? (JSON.parse(encoded.value.body) as { input: unknown }).input : encoded.error;
  };
  expect(inputOf("acme/owl")).toEqual({ prompt: "Hello", max_new_tokens: 9, dice: 7, nucleus: 0.5 });
  expect(inputOf("acme/parrot")).toEqual({ prompt: "Hello", max_new_tokens: 9, dice: 7, top_p: 0.5 });
});

test("every fault of the quirks is named", () => {
  const faults = replicate.quirkFaults({
    stream_hosts: ["https://x"],
    inputs: { prompt: "no spaces please" },
    voice: 1,
  });
  expect(faults.map(({ path }) => path.join("."))).toEqual(["stream_hosts.0", "inputs.prompt", "voice"]);
});

test("a limit of requests says how long it lasts, and no credential comes back", () => {
  const body = JSON.stringify({ detail: `Request was throttled for ${CREDENTIAL}.`, status: 429, retry_after: 5 });
  const failure = replicate.classifyFailure({ status: 429, headers: { get: () => null }, body }, DEFAULT_TARGET, 0);
  expect(failure).toMatchObject({ scope: "capacity", errorType: "rate_limit_exceeded", retryAfterMs: 5_000 });
  expect(JSON.stringify(failure)).not.toContain(CREDENTIAL);
});

test.each([
  { status: 401, body: { detail: "Unauthenticated" }, means: { scope: "credential", errorType: "authentication" } },
  {
    status: 402,
    body: { title: "Insufficient credit" },
    means: { scope: "credential", errorType: "payment_required" },
  },
  {
    status: 404,
    body: { detail: "The requested resource could not be found." },
    means: { scope: "endpoint", errorType: "not_found" },
  },
  {
    status: 422,
    body: { detail: [{ msg: "input.prompt is required" }] },
    means: { scope: "request", retry: "elsewhere", message: "input.prompt is required" },
  },
  {
    status: 422,
    body: { detail: "The prompt exceeds the context length." },
    means: { errorType: "context_length_exceeded", retry: "elsewhere" },
  },
  { status: 500, body: {}, means: { scope: "endpoint", errorType: "provider_unavailable" } },
])("a $status means what the table says", ({ status, body, means }) => {
  const response = { status, headers: { get: () => null }, body: JSON.stringify(body) };
  expect(replicate.classifyFailure(response, DEFAULT_TARGET, 0)).toMatchObject(means);
});
