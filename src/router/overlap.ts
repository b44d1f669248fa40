/**
 * A cold request whose key was in good standing lately is sent upstream while its account's gate is still asked, which
 * may be an ocean away. Nothing reaches the client before the gate has answered. When it refuses, or would have the
 * request otherwise (clamped, planned anew), the upstream is left as if the client had gone; what it bills by then is the
 * operator's loss, booked as a generation of its own, and the key is not trusted for a while.
 */
import { newGenerationId } from "../core/ids.ts";
import type { GenerationEvent } from "../core/event.ts";
import type { NanoUsd } from "../core/money.ts";
import { createCancellation } from "./cancellation.ts";
import { billFor } from "./finish.ts";
import type { GenerateInput, Job } from "./job.ts";
import type { RouterPorts } from "./ports.ts";
import type { Route } from "./route.ts";
import type { PlanRun } from "./run-plan.ts";
import { meterOf, runJob } from "./serve.ts";
import { NO_BILL, settlementOf } from "./settlement.ts";

/** A job that runs before its admission. */
export interface Overlap {
  readonly job: Job;
  readonly running: Promise<PlanRun>;
}

/** What may begin while the gate is asked. */
export interface Chance {
  /** The gate has answered: what was begun, else null; nothing begins any more. */
  end(): Overlap | null;
}

/** Sends the plan upstream if the key may be trusted, as soon as that is known. */
export function overlapOf(input: GenerateInput, route: Route, wantedNusd: NanoUsd, ports: RouterPorts): Chance {
  let begun: Overlap | null = null;
  let isOver = false;
  const begin = (isTrusted: boolean): void => {
    if (!isTrusted || isOver || input.signal.aborted) return;
    const cancellation = createCancellation(route.request.stream);
    const headers = { "X-Generation-Id": input.asker.generationId };
    const job: Job = { input, route, cancellation, headers, running: null, hold: { isKept: true }, steps: null };
    const running = runJob(job, ports);
    begun = { job: { ...job, running }, running };
  };
  if (mayOverlap(route)) {
    const trusted = ports.accounts.isTrusted(input.asker.account, input.asker.keyHash, wantedNusd);
    if (typeof trusted === "boolean") begin(trusted);
    else ports.waitUntil(trusted.then(begin));
  }
  return {
    end() {
      isOver = true;
      return begun;
    },
  };
}

/** A free place is the gate's to give; and who may see an account's own credentials at work, its gate says first. */
function mayOverlap({ plan, freeModels, byok }: Route): boolean {
  return byok.credentials.length === 0 && plan.candidates.every(({ model }) => !freeModels.has(model.id));
}

/** Leaves the upstream, as the client's going would, and books what it bills. */
export async function writeOff({ job, running }: Overlap, ports: RouterPorts): Promise<void> {
  const { input, route, cancellation } = job;
  job.hold.isKept = false;
  cancellation.leave();
  const run = await running;
  const { answer } = run;
  if (answer === null) return cancellation.end();
  const meter = meterOf(job, run);
  let isComplete = true;
  try {
    let events: readonly GenerationEvent[] | null = answer.answered.first;
    while (events !== null) {
      meter.add(events);
      if (events.at(-1)?.type === "error") isComplete = false;
      events = isComplete ? await answer.answered.stream.next() : null;
    }
  } finally {
    answer.answered.guard.end();
    answer.answered.leave();
    cancellation.end();
  }
  const by = isComplete ? "drained" : "aborted";
  const bill = billFor(job, run, meter, { kind: "cancelled", by });
  if (bill.upstream.totalNusd === 0n) return;
  const nowMs = ports.clock();
  const settlement = settlementOf(
    { ...input.asker, generationId: newGenerationId(nowMs, ports.randomBytes) },
    {
      candidate: answer.candidate,
      attempts: run.attempts,
      byok: [],
      bill: { ...bill, charged: NO_BILL.charged },
      requestedModel: input.parsed.models[0] ?? "",
      streamed: route.request.stream,
      isFree: false,
      refundsFreeTier: false,
      cancelled: true,
      cancellation: by,
      finishReason: null,
      nativeFinishReason: null,
      upstreamId: meter.upstreamId(),
      firstAtMs: answer.answered.firstAtMs,
      endedAtMs: nowMs,
      catalogVersion: route.catalogVersion,
    },
  );
  await ports.accounts.settle(input.asker.account, settlement);
}
