/**
 * The spine: one chat request from parsed body to settled generation, streamed and buffered alike.
 *   1. route     models, preferences, plan
 *   2. admit     one call to the account's gate: key, limits, hold of the worst case
 *   3. attempt   along the plan until one answers; nothing has been written, so a switch is invisible
 *   4. pump      events to the client, or all of them collected
 *   5. finish    usage -> cost -> settle; outcome to the provider's gate; one wide event
 * Whatever happens after the admission, step 5 runs exactly once; after a bug, the hold ends by itself.
 */
import type { RouterError } from "../core/error.ts";
import { affordableHalf, clampTo, needOf, shortError } from "./admission.ts";
import { serveBuffered } from "./buffered.ts";
import { createCancellation } from "./cancellation.ts";
import { noEndpointsError } from "./explain.ts";
import { explain, refused, type Generated, type GenerateInput, type Job } from "./job.ts";
import type { RouterPorts } from "./ports.ts";
import { routeOf, type Route } from "./route.ts";
import { renewHold } from "./serve.ts";
import { serveStreamed } from "./streamed.ts";

/** How often an open generation renews its hold; holds live 60 s. */
const RENEW_MS = 20_000;

/** Serves one request. Rejects only for bugs; every failure is a value. */
export function generate(input: GenerateInput, ports: RouterPorts): Promise<Generated> {
  const work = walk(input, ports);
  // What nobody waits for is dropped when the client leaves: a hold would be left, a drained answer never billed.
  ports.waitUntil(work);
  return work;
}

async function walk(input: GenerateInput, ports: RouterPorts): Promise<Generated> {
  const routed = await routeOf(
    {
      parsed: input.parsed,
      account: input.asker.account,
      home: input.home,
      requestId: input.asker.requestId,
      place: input.place,
    },
    ports,
  );
  if (!routed.ok) return refused(routed.error);
  const route = routed.value;
  input.wide.set({ requested_model: input.parsed.models[0] ?? "", catalog_version: route.catalogVersion });
  if (route.plan.candidates.length === 0) {
    return refused(noEndpointsError(route.modelIds, route.plan, ports.clock()), explain(input, route));
  }

  const admitted = await admit(input, route, ports);
  if (!admitted.ok) return refused(admitted.error, explain(input, route));
  const job: Job = {
    input,
    route: admitted.route,
    cancellation: createCancellation(route.request.stream),
    headers: admitted.headers,
  };
  watch(job, ports);
  try {
    return await (route.request.stream ? serveStreamed(job, ports) : serveBuffered(job, ports));
  } catch (error) {
    // A bug. Its hold ends by itself, once nobody renews it.
    job.cancellation.end();
    throw error;
  }
}

type Admitted =
  | { readonly ok: true; readonly route: Route; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly error: RouterError };

/**
 * Leave for the whole plan. Where free and paid models stand in one plan and the account lacks what one half needs, leave
 * for the other half, with a warning.
 */
async function admit(input: GenerateInput, route: Route, ports: RouterPorts): Promise<Admitted> {
  const whole = await admitPlan(input, route, ports);
  if (whole.ok) return whole;
  const rest = affordableHalf(route, whole.error);
  return rest === null ? whole : admitPlan(input, rest, ports);
}

async function admitPlan(input: GenerateInput, route: Route, ports: RouterPorts): Promise<Admitted> {
  const { asker, wide } = input;
  const need = needOf(route.request, route.plan.candidates, route.promptTokens);
  const admission = await ports.accounts.admit(asker.account, {
    keyHash: asker.keyHash,
    generationId: asker.generationId,
    isFree: route.plan.candidates.some(({ model }) => route.freeModels.has(model.id)),
    wantedNusd: need.wantedNusd,
    minimumNusd: input.refusesClamp ? need.wantedNusd : need.minimumNusd,
  });
  wide.set({ admitted_ms: ports.clock() - asker.receivedAtMs });
  switch (admission.kind) {
    case "refused":
      return { ok: false, error: admission.error };
    case "short":
      return { ok: false, error: shortError(admission, need, route.promptTokens) };
    case "admitted": {
      wide.set({ hold_nusd: Number(admission.holdNusd) });
      const clamped = clampTo(route.request, need, admission.holdNusd, route.promptTokens);
      const headers: Record<string, string> = { "X-Generation-Id": asker.generationId };
      if (clamped !== null) headers["X-Waypost-Max-Tokens"] = String(clamped.maxOutputTokens);
      return { ok: true, route: clamped === null ? route : { ...route, request: clamped }, headers };
    }
    default:
      return admission satisfies never;
  }
}

/** While the generation is open: the client's leaving is heard, the hold stays alive. `finish` ends both. */
function watch(job: Job, ports: RouterPorts): void {
  const { input, cancellation } = job;
  const { account, generationId } = input.asker;
  if (input.signal.aborted) cancellation.leave();
  else input.signal.addEventListener("abort", () => cancellation.leave(), { once: true });
  cancellation.onEnd(() => ports.accounts.forget(account, generationId));
  // A stream renews with the timer that its client's end has anyway.
  if (job.route.request.stream) return;
  const renewal = setInterval(() => renewHold(job, ports), RENEW_MS);
  cancellation.onEnd(() => clearInterval(renewal));
}
