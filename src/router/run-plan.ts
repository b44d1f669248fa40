/**
 * Walks a plan until an endpoint answers. Every failure is classified, recorded and reported to the endpoint's health;
 * none is shown as long as another candidate may serve.
 */
import type { EpochMs } from "../core/clock.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { FailedAttempt, UpstreamFailure } from "../core/error.ts";
import type { ByokId } from "../core/ids.ts";
import type { ByokOutcome } from "../gates/account-byok-contract.ts";
import type { Permit, Secret } from "../gates/provider-client.ts";
import type { AttemptRecord } from "../insight/generation.ts";
import type { ClientBucket } from "../limits/health.ts";
import type { EncodedRequest, Target } from "../providers/adapter.ts";
import { adapterNamed } from "../providers/registry.ts";
import { attempt, type Answered } from "./attempt.ts";
import type { Cancellation } from "./cancellation.ts";
import type { Candidate } from "./score.ts";
import type { RouterPorts } from "./ports.ts";

export interface PlanRun {
  /** Null when every candidate failed, or the client left first. */
  readonly answer: { readonly answered: Answered; readonly candidate: Candidate } | null;
  /** In order, the last one being the one that answered, if one did. */
  readonly attempts: readonly AttemptRecord[];
  readonly failures: readonly FailedAttempt[];
  /** What the answering endpoint could not take. */
  readonly warnings: readonly string[];
  /** How the account's own credentials fared. */
  readonly byok: readonly ByokOutcome[];
}

export interface RunInput {
  readonly candidates: readonly Candidate[];
  readonly request: ChatRequest;
  /** Hash of the tenant's end-user id. */
  readonly userHash: string | null;
  readonly promptTokens: number;
  readonly bucket: ClientBucket | null;
  readonly cancellation: Cancellation;
  /** Of the account's own credentials that candidates are pinned to. */
  readonly byokSecrets: ReadonlyMap<ByokId, string>;
}

/** Tries the candidates in order. Never rejects. */
export async function runPlan(input: RunInput, ports: RouterPorts): Promise<PlanRun> {
  const attempts: AttemptRecord[] = [];
  const failures: FailedAttempt[] = [];
  const byok: ByokOutcome[] = [];
  const refusedModels = new Set<string>();
  const isLastResort = input.candidates.every((candidate) => candidate.isProbe);
  for (const candidate of input.candidates) {
    if (input.cancellation.hasLeft()) break;
    // A request that a model's endpoint calls wrong is wrong at its other endpoints too; another model may take it.
    if (refusedModels.has(candidate.model.id)) continue;
    if (candidate.isProbe && !isLastResort && !mayProbe(candidate, ports)) continue;
    const startedMs = ports.clock();
    const tried = await tryCandidate(candidate, input, ports);
    if (tried.kind === "answered") {
      attempts.push(recordOf(candidate, startedMs, tried.answered.firstAtMs, 200, "ok"));
      noteOwn(candidate, null, byok, ports);
      return { answer: { answered: tried.answered, candidate }, attempts, failures, warnings: tried.warnings, byok };
    }
    const { failure } = tried;
    attempts.push(recordOf(candidate, startedMs, ports.clock(), failure.status, failure.errorType));
    if (input.cancellation.hasLeft()) break;
    failures.push({
      provider: candidate.provider.slug,
      providerName: candidate.provider.name,
      endpoint: candidate.endpoint.tag,
      failure,
      ...(candidate.byok === undefined ? {} : { isByok: true }),
    });
    if (tried.kind === "failed") {
      noteOwn(candidate, failure, byok, ports);
      reportFailure(candidate, failure, ports);
    }
    if (failure.retry === "never") refusedModels.add(candidate.model.id);
  }
  return { answer: null, attempts, failures, warnings: [], byok };
}

/** Remembers how the account's own credential fared. What the request itself did wrong says nothing about it. */
function noteOwn(
  { byok }: Candidate,
  failure: UpstreamFailure | null,
  outcomes: ByokOutcome[],
  ports: RouterPorts,
): void {
  if (byok === undefined || failure?.scope === "request") return;
  ports.byok.note(byok.id, failure);
  const error = failure === null ? null : { type: failure.errorType, status: failure.status };
  outcomes.push({ id: byok.id, error });
}

const OWN_PERMIT: Permit = { kind: "granted", done() {} };

function mayProbe({ provider, region, endpoint, model }: Candidate, ports: RouterPorts): boolean {
  return ports.providers.mayProbe(provider.slug, region.id, endpoint.tag, model.id);
}

type Tried =
  | { readonly kind: "answered"; readonly answered: Answered; readonly warnings: readonly string[] }
  | { readonly kind: "failed"; readonly failure: UpstreamFailure }
  /** Nothing was sent: it says nothing about the endpoint. */
  | { readonly kind: "unsent"; readonly failure: UpstreamFailure };

async function tryCandidate(candidate: Candidate, input: RunInput, ports: RouterPorts): Promise<Tried> {
  const prepared = prepare(candidate, input, ports);
  if (prepared.kind === "unsent") return prepared;
  const { adapter, encoded, target } = prepared;
  const { provider, region } = candidate;
  // An own credential uses nothing of what the operator's may.
  const permit: Permit =
    candidate.byok === undefined
      ? await ports.providers.permit(provider.slug, region.id, provider.capacity, input.promptTokens)
      : OWN_PERMIT;
  if (permit.kind === "refused") {
    return {
      kind: "unsent",
      failure: unsent(
        "rate_limit_exceeded",
        "The operator's capacity at this provider is used up.",
        permit.retryAfterMs,
      ),
    };
  }
  const follow = (abort: () => void): void => input.cancellation.follow(provider.cancellation.policy, abort);
  const result = await attempt(adapter, encoded, input.request, target, follow, ports);
  if (result.kind === "failed") {
    permit.done();
    return result;
  }
  const { guard } = result;
  // The permit ends with the answer: the pump ends the guard exactly once, at the very end.
  const answered: Answered = {
    ...result,
    guard: {
      ...guard,
      end() {
        guard.end();
        permit.done();
      },
    },
  };
  return { kind: "answered", answered, warnings: encoded.warnings };
}

type Prepared =
  | {
      readonly kind: "prepared";
      readonly adapter: NonNullable<ReturnType<typeof adapterNamed>>;
      readonly encoded: EncodedRequest;
      readonly target: Target;
    }
  | { readonly kind: "unsent"; readonly failure: UpstreamFailure };

function prepare(candidate: Candidate, input: RunInput, ports: RouterPorts): Prepared {
  const { endpoint, provider, region } = candidate;
  const adapter = adapterNamed(provider.adapter);
  const credential = credentialOf(candidate, input, ports);
  if (adapter === undefined || credential === null) {
    return {
      kind: "unsent",
      failure: unsent("provider_unavailable", "The provider cannot be reached with a credential.", null),
    };
  }
  const target: Target = {
    provider: provider.slug,
    upstreamModel: endpoint.upstream_model,
    baseUrl: (credential.baseUrl ?? region.base_url ?? provider.base_url).replace(/\/+$/, ""),
    credential: credential.secret,
    supportedParameters: endpoint.supported_parameters,
    maxCompletionTokens: endpoint.max_completion_tokens,
    quirks: provider.quirks as Target["quirks"], // z.json() types its leaves more widely than Json
    userHash: input.userHash,
  };
  const encoded = adapter.encode(input.request, target);
  if (!encoded.ok) return { kind: "unsent", failure: unsent("invalid_request", encoded.error, null) };
  return { kind: "prepared", adapter, encoded: encoded.value, target };
}

/** The secret to send, and where to; null when there is none any more. */
function credentialOf({ provider, byok }: Candidate, input: RunInput, ports: RouterPorts): Secret | null {
  if (byok === undefined) return ports.providers.credential(provider.slug);
  const secret = input.byokSecrets.get(byok.id);
  return secret === undefined ? null : { secret, baseUrl: ports.providers.baseUrl(provider.slug) };
}

/** A failure of ours before anything was sent; another endpoint may do better. */
function unsent(
  errorType: UpstreamFailure["errorType"],
  message: string,
  retryAfterMs: number | null,
): UpstreamFailure {
  const status = errorType === "rate_limit_exceeded" ? 429 : errorType === "invalid_request" ? 400 : 503;
  return {
    scope: errorType === "rate_limit_exceeded" ? "capacity" : "request",
    retry: "elsewhere",
    status,
    errorType,
    message,
    providerCode: null,
    raw: null,
    retryAfterMs,
  };
}

function recordOf(
  candidate: Candidate,
  startedMs: EpochMs,
  endedMs: EpochMs,
  status: number,
  outcome: string,
): AttemptRecord {
  return {
    provider: candidate.provider.slug,
    providerName: candidate.provider.name,
    endpoint: candidate.endpoint.tag,
    region: candidate.region.id,
    model: candidate.model.id,
    status,
    outcome,
    latencyMs: endedMs - startedMs,
    ...(candidate.byok === undefined ? {} : { isByok: true }),
  };
}

/** Tells the endpoint region's health of a failure; that of an account's own credential is nobody else's. */
export function reportFailure(candidate: Candidate, failure: UpstreamFailure, ports: RouterPorts): void {
  if (candidate.byok !== undefined) return;
  const { provider, region, endpoint, model } = candidate;
  ports.providers.report(provider.slug, region.id, endpoint.tag, model.id, {
    kind: "failure",
    scope: failure.scope,
    status: failure.status,
    retryAfterMs: failure.retryAfterMs,
  });
}
