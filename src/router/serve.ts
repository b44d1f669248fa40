/** What streamed and buffered serving have in common: the walk along the plan, its failure, its warnings. */
import type { RouterError } from "../core/error.ts";
import type { Dialect } from "../dialects/dialect.ts";
import { secretsOf } from "./byok.ts";
import { BEAT_MS } from "./deadlines.ts";
import { clientBucket } from "./geography.ts";
import type { Job } from "./job.ts";
import { createMeter, type Meter } from "./meter.ts";
import { NO_ANSWER, plausibleOf } from "./plausible.ts";
import type { RouterPorts } from "./ports.ts";
import { runPlan, type PlanRun } from "./run-plan.ts";
import { witnessFor } from "./witness.ts";

/** Longest value of `X-Waypost-Warning`; what is beyond is counted. */
const WARNING_CHARS_MAX = 2_000;

/** Tries the job's plan, unless that has begun. Never rejects. */
export function runJob(job: Job, ports: RouterPorts): Promise<PlanRun> {
  if (job.running !== null) return job.running;
  return runPlan(
    {
      candidates: job.route.plan.candidates,
      request: job.route.request,
      attachments: job.input.attachments ?? null,
      userHash: job.input.userHash,
      promptTokens: job.route.promptTokens,
      bucket: clientBucket(job.input.place),
      cancellation: job.cancellation,
      byokSecrets: secretsOf(job.route.byok),
      account: job.input.asker.account,
      freeModels: job.route.freeModels,
      credentialSeed: job.route.credentialSeed,
      beat: beatOf(job, ports),
    },
    ports,
  );
}

/**
 * Renews the hold about once in BEAT_MS, however many attempts beat; null for a stream, which does so with the timer that
 * its client's end has anyway.
 */
function beatOf(job: Job, ports: RouterPorts): (() => void) | null {
  if (job.route.request.stream) return null;
  let renewedAtMs = ports.clock();
  job.cancellation.onEnd(() => {
    job.hold.isKept = false;
  });
  return () => {
    const nowMs = ports.clock();
    // Timers may fire a little early.
    if (!job.hold.isKept || nowMs - renewedAtMs < BEAT_MS / 2) return;
    renewedAtMs = nowMs;
    renewHold(job, ports);
  };
}

/** A meter for the answer of `run`. */
export function meterOf({ route }: Job, { answer }: PlanRun): Meter {
  const { request, promptTokens } = route;
  const plausible = answer === null ? NO_ANSWER : plausibleOf(request, answer.candidate, promptTokens);
  return createMeter(promptTokens, plausible, witnessFor(request));
}

/** Keeps the generation's hold alive; cheap to call often. */
export function renewHold(job: Job, ports: RouterPorts): void {
  const { account, generationId } = job.input.asker;
  ports.waitUntil(ports.accounts.renew(account, generationId));
}

/** After a bug: the generation is never settled, so the lease it may have been opened from is told. */
export function abandon(job: Job, ports: RouterPorts): void {
  const { account, generationId } = job.input.asker;
  ports.accounts.abandon(account, generationId);
}

/** Why nobody answered. */
export function unansweredError(job: Job, run: PlanRun): RouterError {
  if (job.cancellation.hasLeft()) return { kind: "client_gone" };
  return { kind: "upstream", attempts: run.failures, models: job.route.modelIds };
}

/**
 * What the client asked for and will not get, one sentence each, as one ASCII header; empty when all is well.
 * `run` is null as long as no endpoint has answered: then only the route's own warnings are known.
 */
export function warningHeaders(job: Job, run: PlanRun | null): Readonly<Record<string, string>> {
  const text = oneLine([...new Set([...job.route.warnings, ...(run?.warnings ?? [])])]);
  return text === "" ? {} : { "X-Waypost-Warning": text };
}

/** The answering endpoint's warnings as a comment of the stream, for one whose headers are out; "" when all is well. */
export function warningComment(run: PlanRun, dialect: Pick<Dialect, "comment">): string {
  const text = oneLine(run.warnings);
  return text === "" ? "" : dialect.comment(`WAYPOST WARNING ${text}`);
}

function oneLine(warnings: readonly string[]): string {
  let text = "";
  for (const [index, warning] of warnings.entries()) {
    const next = `${text === "" ? "" : " "}${warning.replace(/[^\x20-\x7e]/g, "?")}`;
    if (text.length + next.length > WARNING_CHARS_MAX) return `${text} (and ${warnings.length - index} more)`;
    text += next;
  }
  return text;
}
