/**
 * Walks a plan until an endpoint answers. No failure is shown as long as another candidate may serve, and nobody waits
 * for capacity at one as long as another has some: only when all have been tried are those that lacked it waited for.
 */
import type { Attachments } from "../core/attachments.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { AccountId, ByokId, ModelId } from "../core/ids.ts";
import type { FailedAttempt } from "../core/error.ts";
import type { ByokOutcome } from "../gates/account-byok-contract.ts";
import type { AttemptRecord } from "../insight/generation.ts";
import type { ClientBucket } from "../limits/health.ts";
import type { Answered } from "./attempt.ts";
import type { Cancellation } from "./cancellation.ts";
import type { RouterPorts } from "./ports.ts";
import type { Candidate } from "./score.ts";
import { record, tryCandidate, type GrantedPermit, type Tried, type Walk } from "./try-candidate.ts";

export interface PlanRun {
  /** Null when every candidate failed, or the client left first. */
  readonly answer: {
    readonly answered: Answered;
    readonly candidate: Candidate;
    readonly permit: GrantedPermit;
  } | null;
  /** In order, the last one being the one that answered, if one did. */
  readonly attempts: readonly AttemptRecord[];
  readonly failures: readonly FailedAttempt[];
  /** What the answering endpoint could not take. */
  readonly warnings: readonly string[];
  /** How the account's own credentials fared. */
  readonly byok: readonly ByokOutcome[];
  /** `provider:credential` of the operator's that were refused: the operator must hear of it. */
  readonly refusedCredentials: readonly string[];
}

export interface RunInput {
  readonly candidates: readonly Candidate[];
  readonly request: ChatRequest;
  /** What was cut out of the request; nothing of it is held once the plan has run. */
  readonly attachments: Attachments | null;
  readonly account: AccountId;
  /** Hash of the tenant's end-user id. */
  readonly userHash: string | null;
  readonly promptTokens: number;
  readonly bucket: ClientBucket | null;
  readonly cancellation: Cancellation;
  /** Of the account's own credentials that candidates are pinned to. */
  readonly byokSecrets: ReadonlyMap<ByokId, string>;
  /** Served after all others where capacity is short. */
  readonly freeModels: ReadonlySet<ModelId>;
  /** Is called now and then while an upstream is waited for; null: nothing is to be done. */
  readonly beat: (() => void) | null;
  /** Keeps a conversation at one of a provider's credentials; null: they take turns. */
  readonly credentialSeed: number | null;
}

/** How long a request waits for capacity in all. */
const WAIT_MS = 2_000;

/** Tries the candidates in order. Never rejects. */
export async function runPlan(input: RunInput, ports: RouterPorts): Promise<PlanRun> {
  const run = await tryAll(input, ports);
  input.attachments?.drop();
  return run;
}

async function tryAll(input: RunInput, ports: RouterPorts): Promise<PlanRun> {
  const walk: Walk = { attempts: [], failures: [], byok: [], refusedCredentials: [], refusedModels: new Set() };
  const { candidates, cancellation } = input;
  const isLastResort = candidates.every((candidate) => candidate.isProbe);
  const isAlone = candidates.length === 1;
  const short: Candidate[] = [];
  for (const candidate of candidates) {
    if (cancellation.hasLeft()) break;
    // A request that a model's endpoint calls wrong is wrong at its other endpoints too; another model may take it.
    if (walk.refusedModels.has(candidate.model.id)) continue;
    if (candidate.isProbe && !isLastResort && !mayProbe(candidate, ports)) continue;
    const startedMs = ports.clock();
    const tried = await tryCandidate(candidate, isAlone ? WAIT_MS : 0, input, walk, ports);
    if (tried.kind === "answered") return answeredBy(candidate, tried, walk);
    if (tried.kind === "failed") continue;
    if (isAlone) record(candidate, tried.failure, startedMs, walk, ports);
    else short.push(candidate);
  }
  const endMs = ports.clock() + WAIT_MS;
  for (const candidate of short) {
    if (cancellation.hasLeft()) break;
    if (walk.refusedModels.has(candidate.model.id)) continue;
    const startedMs = ports.clock();
    const tried = await tryCandidate(candidate, Math.max(0, endMs - startedMs), input, walk, ports);
    if (tried.kind === "answered") return answeredBy(candidate, tried, walk);
    if (tried.kind === "short") record(candidate, tried.failure, startedMs, walk, ports);
  }
  return { answer: null, ...reportOf(walk), warnings: [] };
}

function answeredBy(candidate: Candidate, tried: Extract<Tried, { kind: "answered" }>, walk: Walk): PlanRun {
  const { answered, permit, warnings } = tried;
  return { answer: { answered, candidate, permit }, ...reportOf(walk), warnings };
}

function reportOf({ attempts, failures, byok, refusedCredentials }: Walk): Omit<PlanRun, "answer" | "warnings"> {
  return { attempts, failures, byok, refusedCredentials };
}

function mayProbe({ provider, region, endpoint, model }: Candidate, ports: RouterPorts): boolean {
  return ports.providers.mayProbe({
    provider: provider.slug,
    region: region.id,
    tag: endpoint.tag,
    model: model.id,
  });
}
