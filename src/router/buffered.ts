/** Serves one request whose answer is one JSON body. */
import { createCollector } from "../core/collect.ts";
import { withCarriedState } from "./carry-state.ts";
import { billFor, finish, tailOf, type HowEnded } from "./finish.ts";
import { explain, refused, type Generated, type Job } from "./job.ts";
import type { RouterPorts } from "./ports.ts";
import { meterOf, runJob, unansweredError, warningHeaders } from "./serve.ts";

/** Waits for the whole answer. The settlement is queued before the reply is returned. */
export async function serveBuffered(job: Job, ports: RouterPorts): Promise<Generated> {
  const { input, route } = job;
  const run = await runJob(job, ports);
  const meter = meterOf(job, run);
  if (run.answer === null) {
    ports.waitUntil(
      finish(job, run, meter, { kind: "unanswered" }, billFor(job, run, meter, { kind: "unanswered" }), ports),
    );
    return refused(unansweredError(job, run), explain(input, route, run.attempts));
  }
  const { candidate } = run.answer;
  const answered = withCarriedState(run.answer.answered, candidate, job, ports);
  const collector = createCollector();
  for (
    let events: typeof answered.first | null = answered.first;
    events !== null;
    events = await answered.stream.next()
  ) {
    collector.add(events);
    meter.add(events);
  }
  answered.guard.end();
  const answer = collector.result();
  const ended: HowEnded =
    answer.failure !== null
      ? { kind: "broken", failure: answer.failure }
      : job.cancellation.hasLeft()
        ? { kind: "cancelled", by: "drained" }
        : { kind: "completed" };
  const bill = billFor(job, run, meter, ended);
  ports.waitUntil(finish(job, run, meter, ended, bill, ports));
  const head = {
    id: input.asker.generationId,
    createdS: Math.floor(input.asker.receivedAtMs / 1000),
    model: candidate.model.id,
    provider: candidate.provider.name,
    excludeReasoning: route.request.reasoning?.exclude === true,
    echo: input.parsed.echo,
  };
  const fault = answer.failure === null ? null : input.faceOfFailure(answer.failure, candidate.provider.name);
  return {
    kind: "reply",
    body: input.dialect.renderReply(head, answer, tailOf(job, run, bill, ports), fault),
    headers: { ...job.headers, ...warningHeaders(job, run), "X-Provider-Name": candidate.provider.name },
  };
}
