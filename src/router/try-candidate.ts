/**
 * One candidate of a plan, until it has answered or has nothing left to try: leave, credential, request, attempt. Where a
 * credential is refused or at its limit, the candidate's next one is tried before the next candidate: the endpoint is
 * well, and nobody has seen anything. Every failed call is recorded and reported.
 */
import type { ChatRequest } from "../core/chat.ts";
import type { EpochMs } from "../core/clock.ts";
import type { FailedAttempt, UpstreamFailure } from "../core/error.ts";
import type { ByokOutcome } from "../gates/account-byok-contract.ts";
import type { Permit } from "../gates/provider-permits.ts";
import type { AttemptRecord } from "../insight/generation.ts";
import type { ClientBucket } from "../limits/health.ts";
import type { Adapter, Target } from "../providers/adapter.ts";
import { adapterNamed } from "../providers/registry.ts";
import { attempt, type Answered } from "./attempt.ts";
import { prepare } from "./outgoing.ts";
import type { RouterPorts } from "./ports.ts";
import type { RunInput } from "./run-plan.ts";
import type { Candidate } from "./score.ts";

export type GrantedPermit = Extract<Permit, { kind: "granted" }>;

/** What a walk along a plan has gathered so far. */
export interface Walk {
  readonly attempts: AttemptRecord[];
  readonly failures: FailedAttempt[];
  readonly byok: ByokOutcome[];
  /** `provider:credential` of each that was refused. */
  readonly refusedCredentials: string[];
  /** Models that have called the request wrong. */
  readonly refusedModels: Set<string>;
}

export type Tried =
  | {
      readonly kind: "answered";
      readonly answered: Answered;
      readonly permit: GrantedPermit;
      readonly warnings: readonly string[];
    }
  /** Recorded; the next candidate may do better. */
  | { readonly kind: "failed" }
  /** No capacity of the operator's is left here; nothing was sent, and nothing is recorded. */
  | { readonly kind: "short"; readonly failure: UpstreamFailure };

/** Credentials that one request tries at one candidate. */
const CREDENTIALS_TRIED_MAX = 4;
/** What a completion is taken to use of a limit before it is known. */
const EXPECTED_OUTPUT_TOKENS = 500;
/** Tokens a second from which a stream is worth no wake for each: one comes every 2 ms. */
const FAST_TPS = 500;

/** Tries a candidate with each of its credentials in turn; waits at most `waitMs` for capacity. Never rejects. */
export async function tryCandidate(
  candidate: Candidate,
  waitMs: number,
  input: RunInput,
  walk: Walk,
  ports: RouterPorts,
): Promise<Tried> {
  const tried = new Set<string>();
  for (;;) {
    const startedMs = ports.clock();
    const asked = permitFor(candidate, tried, waitMs, input, ports);
    const permit = asked instanceof Promise ? await asked : asked;
    if (permit.kind !== "granted") {
      if (tried.size > 0) return { kind: "failed" };
      if (permit.kind === "refused") return { kind: "short", failure: shortFailure(permit.retryAfterMs) };
      const failure = unsent(503, "provider_unavailable", "The provider cannot be reached with a credential.");
      record(candidate, failure, startedMs, walk, ports);
      return { kind: "failed" };
    }
    if (input.cancellation.hasLeft()) {
      permit.done();
      return { kind: "failed" };
    }
    const sent = await send(candidate, permit, input, ports);
    if (sent.kind === "answered") {
      walk.attempts.push(recordOf(candidate, startedMs, sent.answered.firstAtMs, 200, "ok"));
      noteOwn(candidate, null, walk, ports);
      return { ...sent, permit };
    }
    const { failure } = sent;
    const hasLeft = input.cancellation.hasLeft();
    if (hasLeft) walk.attempts.push(recordOf(candidate, startedMs, ports.clock(), failure.status, failure.errorType));
    else record(candidate, failure, startedMs, walk, ports);
    if (sent.kind === "failed" && !hasLeft) {
      noteOwn(candidate, failure, walk, ports);
      reportFailure(candidate, failure, input.bucket, permit, ports);
    }
    permit.done();
    if (hasLeft || candidate.byok !== undefined) return { kind: "failed" };
    if (failure.scope === "credential") {
      walk.refusedCredentials.push(`${candidate.provider.slug}:${permit.credential.id}`);
    }
    tried.add(permit.credential.id);
    const isOfCredential = failure.scope === "credential" || failure.scope === "capacity";
    if (!isOfCredential || tried.size === CREDENTIALS_TRIED_MAX) return { kind: "failed" };
  }
}

/** Leave for one attempt, and what to send with it. An own credential uses nothing of what the operator's may. */
function permitFor(
  { byok, provider, region, endpoint, model }: Candidate,
  tried: ReadonlySet<string>,
  waitMs: number,
  input: RunInput,
  ports: RouterPorts,
): Permit | Promise<Permit> {
  if (byok !== undefined) {
    const secret = input.byokSecrets.get(byok.id);
    if (secret === undefined) return { kind: "no_credential" };
    const credential = { id: byok.id, secret, baseUrl: ports.providers.baseUrl(provider.slug) };
    return { kind: "granted", credential, inFlight: () => 1, done() {}, used() {} };
  }
  const at = { provider: provider.slug, region: region.id, tag: endpoint.tag, model: model.id };
  const output = Math.min(input.request.maxOutputTokens ?? EXPECTED_OUTPUT_TOKENS, EXPECTED_OUTPUT_TOKENS);
  return ports.providers.permit(at, provider.capacity, {
    tokens: input.promptTokens + output,
    account: input.account,
    isPaid: !input.freeModels.has(model.id),
    waitMs,
    seed: input.credentialSeed,
    tried,
  });
}

type Sent =
  | { readonly kind: "answered"; readonly answered: Answered; readonly warnings: readonly string[] }
  | { readonly kind: "failed"; readonly failure: UpstreamFailure }
  /** Nothing was sent: it says nothing about the endpoint. */
  | { readonly kind: "unsent"; readonly failure: UpstreamFailure };

async function send(candidate: Candidate, permit: GrantedPermit, input: RunInput, ports: RouterPorts): Promise<Sent> {
  const { provider } = candidate;
  const named = adapterNamed(provider.adapter);
  if (named === undefined) {
    return { kind: "unsent", failure: unsent(503, "provider_unavailable", "The provider cannot be reached.") };
  }
  const adapter = speakerOf(named, input.request);
  if (adapter === null) {
    return { kind: "unsent", failure: unsent(404, "not_found", "This provider is not asked for such tasks.") };
  }
  const target = targetOf(candidate, permit, input);
  const asked = prepare(adapter, target, input, ports);
  const prepared = asked instanceof Promise ? await asked : asked;
  if (!prepared.ok) return { kind: "unsent", failure: prepared.error };
  const { outgoing, unsigned, warnings, done } = prepared.value;
  const authorizing = unsigned === null ? null : (adapter.authorize?.(unsigned, target, ports) ?? null);
  const authorized = authorizing === null ? null : await authorizing;
  if (authorized?.ok === false) {
    done();
    return { kind: "failed", failure: authorized.error };
  }
  const sent = authorized === null ? outgoing : { ...outgoing, headers: authorized.value };
  const started = (abort: () => void): void => input.cancellation.follow(provider.cancellation.policy, abort);
  const watch = { isFast: candidate.throughputTps >= FAST_TPS, started, beat: input.beat };
  const result = await attempt(adapter, sent, input.request, target, watch, ports);
  done();
  if (result.kind === "failed") {
    // A token may be taken back before its time: the next request fetches another.
    if (authorized !== null && result.failure.scope === "credential") ports.accessTokens.drop(target.credential);
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
  return { kind: "answered", answered, warnings: [...warnings, ...foreignFields(input.request, adapter)] };
}

/** What was said in a wire format's own words that this endpoint does not speak. */
function foreignFields({ native }: ChatRequest, adapter: Adapter): readonly string[] {
  if (native === undefined || native.format === adapter.nativeFormat) return [];
  return Object.keys(native.fields).map((name) => `${name} is not supported by this endpoint and was left out.`);
}

/** The adapter as this request needs it; null when its format has no form for the request's task. */
function speakerOf(adapter: Adapter, { task }: ChatRequest): Adapter | null {
  if (task === undefined) return adapter;
  const codec = adapter.tasks?.[task.kind];
  return codec === undefined ? null : { ...adapter, ...codec };
}

function targetOf({ endpoint, provider, region }: Candidate, { credential }: GrantedPermit, input: RunInput): Target {
  return {
    provider: provider.slug,
    upstreamModel: endpoint.upstream_model,
    region: region.id,
    baseUrl: (credential.baseUrl ?? region.base_url ?? provider.base_url).replace(/\/+$/, ""),
    credential: credential.secret,
    supportedParameters: endpoint.supported_parameters,
    maxCompletionTokens: endpoint.max_completion_tokens,
    quirks: quirksOf(provider),
    userHash: input.userHash,
  };
}

/** What a provider does differently. */
export function quirksOf({ quirks }: Candidate["provider"]): Target["quirks"] {
  return quirks as Target["quirks"]; // z.json() types its leaves more widely than Json
}

/** Remembers how the account's own credential fared. What the request itself did wrong says nothing about it. */
function noteOwn({ byok }: Candidate, failure: UpstreamFailure | null, walk: Walk, ports: RouterPorts): void {
  if (byok === undefined || failure?.scope === "request") return;
  ports.byok.note(byok.id, failure);
  const error = failure === null ? null : { type: failure.errorType, status: failure.status };
  walk.byok.push({ id: byok.id, error });
}

/** Puts a failure on record: for the generation, for the client's error, for the rest of the walk. */
export function record(
  candidate: Candidate,
  failure: UpstreamFailure,
  startedMs: EpochMs,
  walk: Walk,
  ports: RouterPorts,
): void {
  walk.attempts.push(recordOf(candidate, startedMs, ports.clock(), failure.status, failure.errorType));
  walk.failures.push({
    provider: candidate.provider.slug,
    providerName: candidate.provider.name,
    endpoint: candidate.endpoint.tag,
    failure,
    ...(candidate.byok === undefined ? {} : { isByok: true }),
  });
  if (failure.retry === "never") walk.refusedModels.add(candidate.model.id);
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

function shortFailure(retryAfterMs: number): UpstreamFailure {
  const message = "The operator's capacity at this provider is used up.";
  return { ...unsent(429, "rate_limit_exceeded", message), scope: "capacity", retryAfterMs };
}

/** A failure of ours before anything was sent; another endpoint may do better. */
function unsent(status: number, errorType: UpstreamFailure["errorType"], message: string): UpstreamFailure {
  return {
    scope: "request",
    retry: "elsewhere",
    status,
    errorType,
    message,
    providerCode: null,
    raw: null,
    retryAfterMs: null,
  };
}

/** Tells the endpoint region's health of a failure; that of an account's own credential is nobody else's. */
export function reportFailure(
  candidate: Candidate,
  failure: UpstreamFailure,
  bucket: ClientBucket | null,
  permit: GrantedPermit,
  ports: RouterPorts,
): void {
  if (candidate.byok !== undefined) return;
  const { provider, region, endpoint, model } = candidate;
  ports.providers.report(
    { provider: provider.slug, region: region.id, tag: endpoint.tag, model: model.id },
    { kind: "failure", scope: failure.scope, status: failure.status, retryAfterMs: failure.retryAfterMs, bucket },
    permit,
  );
}
