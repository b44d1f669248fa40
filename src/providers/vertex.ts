/**
 * The adapter for Vertex AI (base ending in /v1): Gemini as the adapter `gemini` speaks it, Claude as the adapter
 * `anthropic` does, at addresses made of project, location and publisher. A service account pays with tokens that are
 * fetched and renewed (google-token.ts); an API key goes into its header, and no project into the path.
 * Sources: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference,
 * https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai (accessed 2026-11-21).
 */
import type { EpochMs } from "../core/clock.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { UpstreamFailure } from "../core/error.ts";
import { isObject, parseJson, stringOf } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type {
  Adapter,
  Authorized,
  AuthorizePorts,
  EncodedRequest,
  FailedResponse,
  OutgoingRequest,
  Target,
} from "./adapter.ts";
import { createAnthropicDecoder, decodeAnthropicReply } from "./anthropic-decode.ts";
import { anthropicBodyOf, betaHeaderOf } from "./anthropic-encode.ts";
import { classifyAnthropicFailure } from "./anthropic-failure.ts";
import { createGeminiDecoder, decodeGeminiReply } from "./gemini-decode.ts";
import { geminiBodyOf } from "./gemini-encode.ts";
import { classifyGeminiFailure, errorObjectOf } from "./gemini-failure.ts";
import { mintGoogleToken, serviceAccountOf, tokenUrlOf } from "./google-token.ts";
import { everyQuirkIsFault } from "./no-quirks.ts";

const ANTHROPIC_VERSION = "vertex-2023-10-16";
/** Bytes of the largest media of a request to Claude: https://platform.claude.com/docs/en/build-with-claude/vision (accessed 2026-11-21). */
const CLAUDE_MEDIA_BYTES_MAX = { image: 3_750_000, file: 20_000_000, video: 0 } as const;
const LOCATION = /^(?:global|us|eu|[a-z]+-[a-z]+\d{1,2})$/;

export const vertex: Adapter = {
  name: "vertex",
  quirkFaults: everyQuirkIsFault,
  inlineBytesMax: (kind, _url, target) => (isClaude(target) ? CLAUDE_MEDIA_BYTES_MAX[kind] : null),
  encode: encodeVertex,
  authorize: authorizeVertex,
  createDecoder: (request, target) =>
    isClaude(target) ? createAnthropicDecoder(request, target) : createGeminiDecoder(request, target),
  decodeReply: (body, request, target) =>
    // Google's own errors come in Google's form, whoever made the model.
    isClaude(target) && !Array.isArray(body) && !hasGoogleError(body)
      ? decodeAnthropicReply(body, request, target)
      : decodeGeminiReply(body, request, target),
  classifyFailure: classifyVertexFailure,
};

/** The model's own name, without its publisher. */
function modelOf({ upstreamModel }: Target): string {
  return upstreamModel.slice(upstreamModel.lastIndexOf("/") + 1);
}

function isClaude(target: Target): boolean {
  return modelOf(target).startsWith("claude");
}

function encodeVertex(request: ChatRequest, target: Target): Result<EncodedRequest, string> {
  const named: Target = { ...target, upstreamModel: modelOf(target) };
  const path = pathOf(target);
  if (!path.ok) return path;
  const said = isClaude(target) ? claudeBodyOf(request, named) : geminiBodyOf(request, named, { withIds: false });
  if (!said.ok) return said;
  const isKey = serviceAccountOf(target.credential) === null;
  return ok({
    url: `${path.value}:${methodOf(request, target)}`,
    headers: {
      "content-type": "application/json",
      accept: request.stream ? "text/event-stream" : "application/json",
      ...(isKey ? { "x-goog-api-key": target.credential } : {}),
      // No file was uploaded there.
      ...(isClaude(target) ? betaHeaderOf(request, { refersToFiles: false }) : {}),
    },
    body: JSON.stringify(said.value.body),
    warnings: said.value.warnings,
  });
}

function methodOf(request: ChatRequest, target: Target): string {
  if (isClaude(target)) return request.stream ? "streamRawPredict" : "rawPredict";
  return request.stream ? "streamGenerateContent?alt=sse" : "generateContent";
}

function pathOf(target: Target): Result<string, string> {
  const model = `publishers/${isClaude(target) ? "anthropic" : "google"}/models/${encodeURIComponent(modelOf(target))}`;
  const account = serviceAccountOf(target.credential);
  if (account === null) {
    return isClaude(target)
      ? err("This provider serves this model to service accounts only.")
      : ok(`${target.baseUrl}/${model}`);
  }
  return ok(`${target.baseUrl}/projects/${account.project}/locations/${locationOf(target)}/${model}`);
}

/** The catalog's region, else the one in the host's name, else the global one. */
function locationOf({ region, baseUrl }: Target): string {
  if (region !== undefined && LOCATION.test(region)) return region;
  return /^https?:\/\/([a-z]+-[a-z]+\d{1,2})-aiplatform\./.exec(baseUrl)?.[1] ?? "global";
}

/** The model is in the path, the version in the body; media come as bytes, and no file was uploaded. */
function claudeBodyOf(request: ChatRequest, target: Target): ReturnType<typeof anthropicBodyOf> {
  for (const message of request.messages) {
    for (const part of message.parts) {
      const isAddress = part.type === "image" ? !part.url.startsWith("data:") : false;
      const isFile = part.type === "file" && part.data?.startsWith("data:") !== true;
      if (isAddress || isFile) return err(`This provider takes bytes, not an address, for: ${part.type}.`);
    }
  }
  const said = anthropicBodyOf(request, target);
  if (!said.ok) return said;
  const { model: _model, ...body } = said.value.body;
  return ok({ ...said.value, body: { anthropic_version: ANTHROPIC_VERSION, ...body } });
}

function authorizeVertex(request: OutgoingRequest, target: Target, ports: AuthorizePorts): Promise<Authorized> | null {
  const account = serviceAccountOf(target.credential);
  if (account === null) return null;
  const tokenUrl = tokenUrlOf(target.baseUrl);
  const mint = () => mintGoogleToken(account, tokenUrl, ports);
  const found = ports.accessTokens.get(target.credential, mint, ports.waitUntil);
  return found.then((token) => (token.ok ? ok({ ...request.headers, authorization: `Bearer ${token.value}` }) : token));
}

function hasGoogleError(body: unknown): boolean {
  const error = errorObjectOf(body);
  return error !== null && stringOf(error["type"]) === undefined;
}

function classifyVertexFailure(response: FailedResponse, target: Target, nowMs: EpochMs): UpstreamFailure {
  const body = parseJson(response.body);
  const isAnthropic = isObject(body) && isObject(body["error"]) && stringOf(body["error"]["type"]) !== undefined;
  return isAnthropic
    ? classifyAnthropicFailure(response, target, nowMs)
    : classifyGeminiFailure(response, target, nowMs);
}
