/**
 * The one ending of every admitted generation: completed, broken, cancelled or never answered. Settles, reports, records.
 */
import type { UpstreamFailure } from "../core/error.ts";
import { completionTokens, promptTokens } from "../core/usage.ts";
import type { AnswerTail } from "../dialects/dialect.ts";
import type { Outcome } from "../limits/health.ts";
import { clientBucket, knownNetworkMs } from "./geography.ts";
import { explain, type Job } from "./job.ts";
import { judge } from "./judge.ts";
import type { Meter } from "./meter.ts";
import type { RouterPorts } from "./ports.ts";
import type { PlanRun } from "./run-plan.ts";
import type { Candidate } from "./score.ts";
import { abandon } from "./serve.ts";
import { reportFailure } from "./try-candidate.ts";
import { billOf, leftBill, NO_BILL, settlementOf, type Bill, type Ending } from "./settlement.ts";

export type HowEnded =
  | { readonly kind: "completed" }
  | { readonly kind: "broken"; readonly failure: UpstreamFailure }
  | { readonly kind: "cancelled"; readonly by: "aborted" | "drained" }
  /** No more credit could be held: the answer was cut. */
  | { readonly kind: "exhausted"; readonly by: "aborted" | "drained" }
  /** No endpoint answered. */
  | { readonly kind: "unanswered" };

/** How an answer ends that was cut for lack of credit. */
export const CREDIT_CUT = { reason: "length", nativeReason: "credit_exhausted" } as const;

/** The bill of an answer that ended as `ended`. */
export function billFor(job: Job, run: PlanRun, meter: Meter, ended: HowEnded): Bill {
  if (run.answer === null || ended.kind === "unanswered") return NO_BILL;
  const { candidate } = run.answer;
  const isComplete = ended.kind === "completed" || (ended.kind === "cancelled" && ended.by === "drained");
  const bill = billOf(meter.read(isComplete), candidate, imagesIn(job), isComplete);
  return ended.kind === "cancelled" && ended.by === "aborted" ? leftBill(bill, candidate) : bill;
}

/**
 * The bill of an answer that was cut for lack of credit: the tenant pays what was delivered until then (`atCut`), the
 * operator bears what the provider bills beyond.
 */
export function billAfterCut(job: Job, run: PlanRun, meter: Meter, atCut: Bill, by: "aborted" | "drained"): Bill {
  if (run.answer === null) return atCut;
  if (by === "aborted") return { ...atCut, upstream: leftBill(atCut, run.answer.candidate).upstream };
  return { ...atCut, upstream: billOf(meter.read(true), run.answer.candidate, imagesIn(job), true).upstream };
}

/** What the client is told at the end. */
export function tailOf(job: Job, run: PlanRun, bill: Bill, ports: Pick<RouterPorts, "clock">): AnswerTail {
  return {
    usage: bill.usage,
    isEstimated: bill.isEstimated,
    costNusd: bill.charged.totalNusd,
    upstreamCostNusd: bill.upstream.totalNusd,
    upstreamPromptCostNusd: bill.upstream.promptNusd,
    upstreamCompletionCostNusd: bill.upstream.completionNusd,
    isByok: run.answer?.candidate.byok !== undefined,
    endedS: Math.floor(ports.clock() / 1000),
    metadata: explain(job.input, job.route, run.attempts),
  };
}

/**
 * Settles and reports. Resolves when the account's gate has taken the settlement, and then looks after the isolate's lease
 * as long as that is nobody else's turn; the caller gives that to `waitUntil`.
 */
export async function finish(
  job: Job,
  run: PlanRun,
  meter: Meter,
  ended: HowEnded,
  bill: Bill,
  ports: RouterPorts,
): Promise<void> {
  try {
    await end(job, run, meter, ended, bill, ports);
  } finally {
    job.input.wide.emit();
    abandon(job, ports);
  }
  await ports.accounts.keep(job.input.asker.account);
}

async function end(
  job: Job,
  run: PlanRun,
  meter: Meter,
  ended: HowEnded,
  bill: Bill,
  ports: RouterPorts,
): Promise<void> {
  const { input, route, cancellation } = job;
  cancellation.end();
  const endedAtMs = ports.clock();
  const { reason, nativeReason } = meter.finish();
  const candidate = run.answer?.candidate ?? null;
  const isFree = (one: Candidate): boolean => route.freeModels.has(one.model.id);
  const { candidates } = route.plan;
  const ending: Ending = {
    candidate,
    attempts: run.attempts,
    byok: run.byok,
    bill,
    requestedModel: input.parsed.models[0] ?? "",
    streamed: route.request.stream,
    isFree: (candidate === null ? candidates.slice(0, 1) : [candidate]).some(isFree),
    refundsFreeTier: candidates.some(isFree) && (candidate === null || !isFree(candidate)),
    cancelled: ended.kind === "cancelled" || (ended.kind === "unanswered" && cancellation.hasLeft()),
    cancellation: ended.kind === "cancelled" || ended.kind === "exhausted" ? ended.by : null,
    finishReason: ended.kind === "broken" ? "error" : ended.kind === "exhausted" ? CREDIT_CUT.reason : reason,
    nativeFinishReason: ended.kind === "exhausted" ? CREDIT_CUT.nativeReason : nativeReason,
    upstreamId: meter.upstreamId(),
    firstAtMs: run.answer?.answered.firstAtMs ?? null,
    endedAtMs,
    catalogVersion: route.catalogVersion,
    task: route.request.task?.kind,
  };
  // With an own credential the provider charges the tenant itself.
  const isCharged = ended.kind === "completed" || bill.charged.totalNusd > 0n || completionTokens(bill.usage) > 0;
  // Who copies an answer that was cut knows already.
  if (ended.kind !== "exhausted")
    input.copy?.ended({ isCharged, hasLeft: ended.kind === "cancelled" && route.request.stream });
  input.wide.end();
  let isTold = false;
  const tell = (): void => {
    if (isTold) return;
    isTold = true;
    reportOutcome(job, run, meter, ended, bill, endedAtMs, ports);
    note(job, run, ending);
  };
  // A failure is news, and the log line of what nobody answered is written with the error; all else need not hold up the
  // answer.
  if (ended.kind === "broken" || ended.kind === "unanswered") tell();
  const isSettled = await ports.accounts.settle(input.asker.account, settlementOf(input.asker, ending), tell);
  tell();
  if (!isSettled) input.wide.set({ settle_lost: true });
}

function reportOutcome(
  job: Job,
  run: PlanRun,
  meter: Meter,
  ended: HowEnded,
  bill: Bill,
  endedAtMs: number,
  ports: RouterPorts,
): void {
  if (run.answer === null) return;
  const { candidate, answered, permit } = run.answer;
  permit.used(promptTokens(bill.usage) + completionTokens(bill.usage));
  const bucket = clientBucket(job.input.place);
  if (ended.kind === "broken") return reportFailure(candidate, ended.failure, bucket, permit, ports);
  // A client that left says nothing about the provider's speed, nor does another's credential.
  if (ended.kind !== "completed" || candidate.byok !== undefined) return;
  const { provider, region, endpoint, model } = candidate;
  const outcome: Outcome = {
    kind: "success",
    bucket,
    ttftMs: answered.firstAtMs - answered.sentAtMs,
    networkMs: knownNetworkMs(job.input.place, region),
    tokens: completionTokens(bill.usage),
    durationMs: endedAtMs - answered.sentAtMs,
  };
  const { witness } = meter;
  const judged = witness === null ? undefined : judge(witness.read(), job.route.request, endpoint.supported_parameters);
  ports.providers.report(
    { provider: provider.slug, region: region.id, tag: endpoint.tag, model: model.id },
    judged === undefined ? outcome : { ...outcome, judged },
    permit,
    endedAtMs,
  );
}

function note(job: Job, run: PlanRun, ending: Ending): void {
  const { bill, candidate } = ending;
  job.input.wide.set({
    attempts: run.attempts.map(({ provider, status }) => `${provider}:${status}`),
    ...(run.refusedCredentials.length === 0 ? {} : { refused_credentials: run.refusedCredentials }),
    streamed: ending.streamed,
    cancelled: ending.cancelled,
    estimated: bill.isEstimated,
    ...(bill.isDoubted === true ? { usage_doubted: true } : {}),
    prompt_tokens: promptTokens(bill.usage),
    completion_tokens: completionTokens(bill.usage),
    cost_nusd: Number(bill.charged.totalNusd),
    ...(ending.finishReason === null ? {} : { finish_reason: ending.finishReason }),
    ...(ending.firstAtMs === null ? {} : { ttft_ms: ending.firstAtMs - job.input.asker.receivedAtMs }),
    ...(candidate === null
      ? {}
      : {
          model: candidate.model.id,
          provider: candidate.provider.slug,
          endpoint: candidate.endpoint.tag,
          region: candidate.region.id,
          byok: candidate.byok !== undefined,
        }),
  });
}

function imagesIn(job: Job): number {
  let count = 0;
  for (const message of job.route.request.messages) {
    for (const part of message.parts) if (part.type === "image") count++;
  }
  return count;
}
