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
import type { AccountId } from "../core/ids.ts";
import type { Admission, AdmitRequest, Restriction } from "../gates/account-contract.ts";
import { affordableHalf, clampTo, clampToTokens, footprintOf, needOf, shortError } from "./admission.ts";
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
/** How long a settlement may be on its way to the gate behind the answer that it belongs to. */
const SLOT_PAUSE_MS = 150;

/** Serves one request. Rejects only for bugs; every failure is a value. */
export function generate(input: GenerateInput, ports: RouterPorts): Promise<Generated> {
  const work = walk(input, ports);
  // What nobody waits for is dropped when the client leaves: a hold would be left, a drained answer never billed.
  ports.waitUntil(work);
  return work;
}

async function walk(input: GenerateInput, ports: RouterPorts): Promise<Generated> {
  const admitted = await planAndAdmit(input, undefined, ports);
  if (!admitted.ok) return refused(admitted.error, admitted.route === null ? null : explain(input, admitted.route));
  const { route } = admitted;
  const job: Job = {
    input,
    route,
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
  | { readonly ok: false; readonly error: RouterError; readonly restriction?: Restriction };

type Planned =
  | (Admitted & { readonly ok: true })
  /** `route` is null when there was none to explain. */
  | { readonly ok: false; readonly error: RouterError; readonly route: Route | null };

/**
 * A plan, and leave for it. Where the key may use only a part of what the request names, the gate says which, and that
 * part is planned and asked for anew: only requests with such fallbacks pay for a second call.
 */
async function planAndAdmit(
  input: GenerateInput,
  restriction: Restriction | undefined,
  ports: RouterPorts,
): Promise<Planned> {
  const { parsed, asker, home, place } = input;
  const routed = await routeOf(
    { parsed, account: asker.account, home, requestId: asker.requestId, place, restriction },
    ports,
  );
  if (!routed.ok) return { ok: false, error: routed.error, route: null };
  const route = routed.value;
  input.wide.set({ requested_model: parsed.models[0] ?? "", catalog_version: route.catalogVersion });
  if (route.plan.candidates.length === 0) {
    return { ok: false, error: noEndpointsError(route.modelIds, route.plan, ports.clock()), route };
  }
  const admitted = await admit(input, route, ports);
  if (admitted.ok) return admitted;
  // A list that changes between the two calls is not followed any further.
  if (admitted.restriction === undefined || restriction !== undefined) return { ...admitted, route };
  return await planAndAdmit(input, admitted.restriction, ports);
}

const CHANGED: RouterError = {
  kind: "forbidden",
  message: "What this API key may use changed while the request was planned. Send it again.",
};

/**
 * Leave for the whole plan. Where free and paid models stand in one plan and the account lacks what one half needs, leave
 * for the other half, with a warning.
 */
async function admit(input: GenerateInput, route: Route, ports: RouterPorts): Promise<Admitted> {
  const whole = await admitPlan(input, route, ports);
  if (whole.ok || whole.restriction !== undefined) return whole;
  const rest = affordableHalf(route, whole.error);
  return rest === null ? whole : admitPlan(input, rest, ports);
}

async function admitPlan(input: GenerateInput, route: Route, ports: RouterPorts): Promise<Admitted> {
  const { asker, wide } = input;
  const need = needOf(route.request, route.plan.candidates, route.promptTokens);
  const footprint = footprintOf(route, need, input.refusesClamp);
  const admission = await admitWithSlot(asker.account, ports, {
    keyHash: asker.keyHash,
    generationId: asker.generationId,
    isFree: route.plan.candidates.some(({ model }) => route.freeModels.has(model.id)),
    wantedNusd: need.wantedNusd,
    minimumNusd: input.refusesClamp ? need.wantedNusd : need.minimumNusd,
    footprint,
  });
  wide.set({ admitted_ms: ports.clock() - asker.receivedAtMs });
  switch (admission.kind) {
    case "refused":
      return { ok: false, error: admission.error };
    case "restricted":
      return { ok: false, error: CHANGED, restriction: admission.restriction };
    case "short":
      return { ok: false, error: shortError(admission, need, route.promptTokens) };
    case "admitted": {
      wide.set({ hold_nusd: Number(admission.holdNusd) });
      const byCredit = clampTo(route.request, need, admission.holdNusd, route.promptTokens);
      const byTokens = clampToTokens(byCredit ?? route.request, footprint, admission.tokens, route.promptTokens);
      const clamped = byTokens ?? byCredit;
      const headers: Record<string, string> = { "X-Generation-Id": asker.generationId };
      if (clamped !== null) headers["X-Waypost-Max-Tokens"] = String(clamped.maxOutputTokens);
      return { ok: true, route: clamped === null ? route : { ...route, request: clamped }, headers };
    }
    default:
      return admission satisfies never;
  }
}

/**
 * A slot is given back with the settlement, which travels some 20 ms behind the answer: whoever goes on one by one, with
 * a limit of one at once, must not be refused for that. So a refusal for concurrency alone asks once more.
 */
async function admitWithSlot(account: AccountId, ports: RouterPorts, request: AdmitRequest): Promise<Admission> {
  const first = await ports.accounts.admit(account, request);
  if (first.kind !== "refused" || first.error.kind !== "rate_limited") return first;
  if (!first.error.limitSource.endsWith("_concurrency")) return first;
  await new Promise<void>((resolve) => setTimeout(resolve, SLOT_PAUSE_MS));
  return await ports.accounts.admit(account, request);
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
