/**
 * Serves one request whose answer is a stream.
 * As long as nothing was answered, errors have their own status. When the first comment is due, the stream is opened all
 * the same, so that comments can keep the connection alive; from then on an error is the stream's one event.
 */
import type { AnswerHead, ErrorFace, StreamRenderer } from "../dialects/dialect.ts";
import { malformedFailure } from "../providers/failure.ts";
import { withCarriedState } from "./carry-state.ts";
import { openClient, type ClientEnd } from "./client-writer.ts";
import { billAfterCut, billFor, CREDIT_CUT, finish, tailOf, type HowEnded } from "./finish.ts";
import { explain, refused, type AnswerCopy, type Generated, type Job } from "./job.ts";
import type { Meter } from "./meter.ts";
import type { RouterPorts } from "./ports.ts";
import { pump, type PumpEnd } from "./pump.ts";
import type { PlanRun } from "./run-plan.ts";
import { abandon, meterOf, renewHold, runJob, unansweredError, warningComment, warningHeaders } from "./serve.ts";
import { NO_BILL, type Bill } from "./settlement.ts";
import { createSteps } from "./steps.ts";

/** The headers are long out when credit ends in the middle of an answer. */
const CUT_COMMENT = "WAYPOST WARNING The answer was cut: no more credit could be held for it.";

/** Answers as soon as the first content is there, or when a comment is due. The pump goes on behind the answer. */
export async function serveStreamed(job: Job, ports: RouterPorts): Promise<Generated> {
  const { input, route, cancellation } = job;
  const running = runJob(job, ports);
  let commit = (): void => {};
  // Before anything was answered: whoever counts the silence counts the wait for the answer as well.
  const opened = openClient(input.dialect.keepAlive, ports.clock, cancellation, {
    onTick: () => renewHold(job, ports),
    onSilence: () => commit(),
  });
  const early = await new Promise<PlanRun | null>((resolve, reject) => {
    commit = () => resolve(null);
    running.then(resolve, reject);
  }).catch((bug: unknown) => {
    opened.discard();
    throw bug;
  });
  if (early !== null && early.answer === null) {
    opened.discard();
    const ended: HowEnded = { kind: "unanswered" };
    const meter = meterOf(job, early);
    ports.waitUntil(finish(job, early, meter, ended, billFor(job, early, meter, ended), ports));
    return refused(unansweredError(job, early), explain(input, route, early.attempts));
  }
  const client = copied(opened, input.copy ?? null);
  const headers: Record<string, string> = {
    "Content-Type": input.dialect.streamType,
    "Cache-Control": "no-cache",
    ...job.headers,
    ...warningHeaders(job, early),
  };
  if (early?.answer) headers["X-Provider-Name"] = early.answer.candidate.provider.name;
  const served = serve(job, early, running, client, ports).finally(() => abandon(job, ports));
  return { kind: "stream", body: client.readable, headers, served };
}

/** The client's end, with a copy of what is written to it. */
function copied(client: ClientEnd, copy: AnswerCopy | null): ClientEnd {
  if (copy === null) return client;
  const { writer } = client;
  return {
    ...client,
    writer: {
      isGone: writer.isGone,
      write(text) {
        copy.add(text);
        return writer.write(text);
      },
      close() {
        copy.close();
        return writer.close();
      },
    },
  };
}

async function serve(
  job: Job,
  early: PlanRun | null,
  running: Promise<PlanRun>,
  client: ClientEnd,
  ports: RouterPorts,
): Promise<void> {
  const { input } = job;
  const run = early ?? (await running);
  const meter = meterOf(job, run);
  const renderer = input.dialect.createStreamRenderer(headOf(job, run));
  // The headers are out: what the endpoint cannot take is said in a comment rather than not at all.
  if (early === null) await client.writer.write(warningComment(run, input.dialect));
  let atCut: Bill = NO_BILL;
  const exhaust = async (): Promise<void> => {
    atCut = billFor(job, run, meter, { kind: "exhausted", by: "aborted" });
    input.copy?.ended({ isCharged: true, hasLeft: false });
    await client.writer.write(
      input.dialect.comment(CUT_COMMENT) + renderer.end({ ...tailOf(job, run, atCut, ports), cut: CREDIT_CUT }),
    );
    await client.writer.close();
    job.cancellation.cut();
  };
  const ended = await deliver(job, run, renderer, client, meter, exhaust, ports);
  const isCut = ended.kind === "exhausted";
  const bill = isCut ? billAfterCut(job, run, meter, atCut, ended.by) : billFor(job, run, meter, ended);
  const settled = finish(job, run, meter, ended, bill, ports);
  try {
    if (!isCut) await conclude(job, run, renderer, client, ended, bill, ports);
  } finally {
    await settled;
  }
}

/**
 * The client's last words. When it has taken them, an upstream that has ended has come to the end of its body, as a rule;
 * where not, it is waited for no longer than a client is that takes nothing.
 */
async function conclude(
  job: Job,
  run: PlanRun,
  renderer: StreamRenderer,
  client: ClientEnd,
  ended: HowEnded | PumpEnd,
  bill: Bill,
  ports: RouterPorts,
): Promise<void> {
  try {
    const tail = tailOf(job, run, bill, ports);
    const face = faceOfEnd(job, run, ended);
    const ending = face === null ? renderer.end(tail) : renderer.fail(face, tail);
    await client.writer.write("unsent" in ended ? ended.unsent + ending : ending);
  } finally {
    run.answer?.answered.leave();
    await client.writer.close();
  }
}

/** A bug of ours ends the answer like a broken one: what was delivered is settled, and nobody is left waiting. */
async function deliver(
  job: Job,
  run: PlanRun,
  renderer: StreamRenderer,
  client: ClientEnd,
  meter: Meter,
  exhaust: () => Promise<void>,
  ports: RouterPorts,
): Promise<PumpEnd | { readonly kind: "unanswered" }> {
  if (run.answer === null) return { kind: "unanswered" };
  const { answered, candidate } = run.answer;
  try {
    const steps = createSteps(job, candidate, ports);
    return await pump(withCarriedState(answered, candidate, job, ports), renderer, client.writer, meter, {
      steps,
      exhaust,
    });
  } catch {
    return { kind: "broken", failure: malformedFailure("it could not be translated", null, "") };
  }
}

function headOf(job: Job, run: PlanRun): AnswerHead {
  const { asker, parsed } = job.input;
  const candidate = run.answer?.candidate;
  return {
    id: asker.generationId,
    createdS: Math.floor(asker.receivedAtMs / 1000),
    model: candidate?.model.id ?? parsed.models[0] ?? "",
    provider: candidate?.provider.name ?? run.failures.at(-1)?.providerName ?? "",
    excludeReasoning: job.route.request.reasoning?.exclude === true,
    echo: parsed.echo,
  };
}

function faceOfEnd(job: Job, run: PlanRun, ended: HowEnded): ErrorFace | null {
  switch (ended.kind) {
    case "completed":
    case "cancelled":
    case "exhausted":
      return null;
    case "broken":
      return job.input.faceOfFailure(ended.failure, run.answer?.candidate.provider.name ?? "");
    case "unanswered":
      return job.input.faceOf(unansweredError(job, run));
    default:
      return ended satisfies never;
  }
}
