/**
 * The spine: one chat request from parsed body to settled generation, streamed and buffered alike.
 *   1. route     models, preferences, plan
 *   2. admit     from this isolate's lease, or by one call to the account's gate: key, limits, hold of the worst case;
 *                a key in good standing doesn't wait for it with step 3 (overlap.ts)
 *   3. attempt   along the plan until one answers; nothing has been written, so a switch is invisible
 *   4. pump      events to the client, or all of them collected
 *   5. finish    usage -> cost -> settle; outcome to the provider's gate; one wide event
 * Whatever happens after the admission, step 5 runs exactly once; after a bug, the hold ends by itself.
 */
import type { ByokGrant } from "../accounts/byok.ts";
import type { RouterError } from "../core/error.ts";
import type { AccountId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import type { Admission, AdmitRequest, Footprint, Restriction } from "../gates/account-contract.ts";
import {
  affordableHalf,
  askedAmounts,
  clampTo,
  clampToTokens,
  coverOf,
  footprintOf,
  holdWayOf,
  needOf,
  shortError,
  type Need,
} from "./admission.ts";
import { serveBuffered } from "./buffered.ts";
import { ownHalf } from "./byok.ts";
import { createCancellation } from "./cancellation.ts";
import { noEndpointsError } from "./explain.ts";
import { explain, refused, type Generated, type GenerateInput, type Job } from "./job.ts";
import type { RouterPorts } from "./ports.ts";
import { overlapOf, writeOff, type Overlap } from "./overlap.ts";
import { withRestoredState } from "./restore-state.ts";
import { routeOf, type Route } from "./route.ts";
import { abandon } from "./serve.ts";
import type { StepTerms } from "./steps.ts";
import { serveStreamed } from "./streamed.ts";

/** How long a settlement may be on its way to the gate behind the answer that it belongs to. */
const SLOT_PAUSE_MS = 150;

/** Serves one request. Rejects only for bugs; every failure is a value. */
export function generate(given: GenerateInput, ports: RouterPorts): Promise<Generated> {
  const restored = withRestoredState(given, ports);
  const work = restored instanceof Promise ? restored.then((input) => walk(input, ports)) : walk(restored, ports);
  // What nobody waits for is dropped when the client leaves: a hold would be left, a drained answer never billed.
  ports.waitUntil(work.then((generated) => (generated.kind === "stream" ? generated.served : undefined)));
  return work;
}

async function walk(input: GenerateInput, ports: RouterPorts): Promise<Generated> {
  if (input.parsed.provider?.["zdr"] === true) input.copy?.withhold();
  const admitted = await planAndAdmit(input, ports);
  if (!admitted.ok) return refused(admitted.error, admitted.route === null ? null : explain(input, admitted.route));
  const { route, headers } = admitted;
  const cancellation = createCancellation(route.request.stream);
  const own = { input, route, cancellation, running: null, hold: { isKept: true } };
  const job: Job = { ...(admitted.overlap?.job ?? own), headers, steps: admitted.steps };
  watch(job, ports);
  try {
    return await (route.request.stream ? serveStreamed(job, ports) : serveBuffered(job, ports));
  } catch (error) {
    // A bug. A hold at the gate ends by itself, once nobody renews it; one of our own lease is ended here.
    job.cancellation.end();
    abandon(job, ports);
    throw error;
  }
}

interface Admitted {
  readonly ok: true;
  readonly route: Route;
  readonly headers: Readonly<Record<string, string>>;
  /** It runs already, exactly so. */
  readonly overlap?: Overlap | null;
  readonly steps: StepTerms | null;
}

interface NotAdmitted {
  readonly ok: false;
  readonly error: RouterError;
  /** The gate has said with what the plan is to be made anew; `error` counts when it is not. */
  readonly replan?: { readonly restriction: Restriction } | { readonly grant: ByokGrant };
}

/** `route` is null when there was none to explain. */
type Planned = Admitted | (NotAdmitted & { readonly route: Route | null });

/** Plans of one request: the first, one with the account's own credentials, one with what its key may use. */
const PLANS_MAX = 3;

/**
 * A plan, and leave for it. The first is made with what this isolate knows. Where the key may use only a part of what the
 * request names, or the account's own provider credentials are others than known, the gate says so and takes nothing, and
 * the plan is made and asked for anew, before anything is sent: what a tenant has ruled out serves no request. Only such
 * requests pay for a second call.
 */
async function planAndAdmit(input: GenerateInput, ports: RouterPorts): Promise<Planned> {
  const { parsed, home, place, attachments = null } = input;
  const { account, keyHash, requestId } = input.asker;
  let byok = ports.byok.known(account);
  let restriction: Restriction | undefined;
  for (let plans = 1; ; plans++) {
    const routed = await routeOf(
      { parsed, attachments, account, keyHash, home, requestId, place, restriction, byok },
      ports,
    );
    if (!routed.ok) {
      const own = routed.error.kind === "no_endpoints" && plans < PLANS_MAX ? await ports.byok.refresh(account) : null;
      if (own === null) return { ok: false, error: routed.error, route: null };
      byok = own;
      continue;
    }
    const route = routed.value;
    input.wide.set({ requested_model: parsed.models[0] ?? "", catalog_version: route.catalogVersion });
    if (route.plan.candidates.length === 0) {
      // An own credential that this isolate has not heard of may be the one that serves.
      const fresh = plans < PLANS_MAX ? await ports.byok.refresh(account) : null;
      if (fresh === null) {
        return { ok: false, error: noEndpointsError(route.modelIds, route.plan, ports.clock()), route };
      }
      byok = fresh;
      continue;
    }
    const admitted = await admit(input, route, ports);
    if (admitted.ok) return admitted;
    const { replan } = admitted;
    if (replan === undefined || plans === PLANS_MAX) return { ...admitted, route };
    if ("grant" in replan) byok = await ports.byok.take(account, replan.grant);
    // A list that changes between two calls is not followed any further.
    else if (restriction === undefined) restriction = replan.restriction;
    else return { ...admitted, route };
  }
}

const CHANGED: RouterError = {
  kind: "forbidden",
  message: "What this API key may use changed while the request was planned. Send it again.",
};
const OWN_CHANGED: RouterError = {
  kind: "conflict",
  message: "The account's own provider credentials changed while the request was planned. Send it again.",
};

/**
 * Leave for the whole plan. Where free and paid models stand in one plan and the account lacks what one half needs, leave
 * for the other half, with a warning. The same where the account's own credentials need less than the shared ones.
 */
async function admit(input: GenerateInput, route: Route, ports: RouterPorts): Promise<Admitted | NotAdmitted> {
  const whole = await admitPlan(input, route, ports);
  if (whole.ok || whole.replan !== undefined) return whole;
  const own = whole.error.kind === "insufficient_credit" ? ownHalf(route) : null;
  const alone = own === null ? null : await admitPlan(input, own, ports);
  if (alone !== null && (alone.ok || alone.replan !== undefined)) return alone;
  const rest = affordableHalf(route, whole.error);
  return rest === null ? whole : admitPlan(input, rest, ports);
}

async function admitPlan(input: GenerateInput, route: Route, ports: RouterPorts): Promise<Admitted | NotAdmitted> {
  const { asker, wide } = input;
  const way = holdWayOf(route.request, route.plan.candidates, input.refusesClamp);
  const need = needOf(route.request, route.plan.candidates, route.promptTokens, way);
  const footprint = footprintOf(route, need, input.refusesClamp);
  const asked = admitWithSlot(asker.account, ports, {
    keyHash: asker.keyHash,
    generationId: asker.generationId,
    isFree: route.plan.candidates.some(({ model }) => route.freeModels.has(model.id)),
    ...askedAmounts(need, input.refusesClamp),
    footprint,
    byokToken: route.byok.token,
  });
  if (!(asked instanceof Promise)) {
    wide.set({ admitted_ms: ports.clock() - asker.receivedAtMs, leased: true });
    return admittedAs(input, route, need, footprint, asked);
  }
  const chance = overlapOf(input, route, way === "steps" ? need.wantedNusd : need.fullNusd, ports);
  const answer = await asked;
  const overlap = chance.end();
  const admission = overlap === null ? answer : withoutRest(answer);
  wide.set({ admitted_ms: ports.clock() - asker.receivedAtMs, leased: false, overlapped: overlap !== null });
  const admitted = admittedAs(input, route, need, footprint, admission);
  if (overlap === null) return admitted;
  // Neither clamped nor planned otherwise: what runs is what was admitted.
  if (admitted.ok && admitted.route === route) return { ...admitted, overlap };
  ports.waitUntil(writeOff(overlap, ports));
  if (!admitted.ok) ports.waitUntil(ports.accounts.distrust(asker.account, asker.keyHash));
  return admitted;
}

/** What runs already can't be cut to what is left beside its first step; its further steps will say what is. */
function withoutRest(admission: Admission): Admission {
  if (admission.kind !== "admitted") return admission;
  const { leftNusd: _left, ...rest } = admission;
  return rest;
}

function admittedAs(
  input: GenerateInput,
  route: Route,
  need: Need,
  footprint: Footprint,
  admission: Admission,
): Admitted | NotAdmitted {
  switch (admission.kind) {
    case "refused":
      return { ok: false, error: admission.error };
    case "restricted":
      return { ok: false, error: CHANGED, replan: admission };
    case "byok":
      return { ok: false, error: OWN_CHANGED, replan: admission };
    case "short":
      return { ok: false, error: shortError(admission, need, route.promptTokens) };
    case "admitted": {
      input.wide.set({ hold_nusd: Number(admission.holdNusd) });
      return admittedWith(input, route, need, { ...admission, footprint });
    }
    default:
      return admission satisfies never;
  }
}

interface Leave {
  readonly holdNusd: NanoUsd;
  readonly leftNusd?: NanoUsd;
  readonly footprint: Footprint;
  /** Absent: as many as wanted. */
  readonly tokens?: number;
}

/**
 * The route as far as hold and limits cover it. Where the hold is not the whole worst case, own credentials that go first
 * anyway serve in full rather than the shared ones in part.
 */
function admittedWith(input: GenerateInput, route: Route, need: Need, leave: Leave): Admitted {
  const { holdNusd, footprint, tokens } = leave;
  const isOwnFirst = route.plan.candidates[0]?.byok !== undefined;
  const own = isOwnFirst && holdNusd < need.wantedNusd ? ownHalf(route) : null;
  if (own !== null) {
    return admittedWith(input, own, needOf(own.request, own.plan.candidates, own.promptTokens, need.way), leave);
  }
  const byCredit = clampTo(route.request, need, coverOf(need, leave), route.promptTokens);
  const clamped = clampToTokens(byCredit ?? route.request, footprint, tokens, route.promptTokens) ?? byCredit;
  const headers: Record<string, string> = { "X-Generation-Id": input.asker.generationId };
  if (clamped !== null) headers["X-Waypost-Max-Tokens"] = String(clamped.maxOutputTokens);
  const steps = need.way === "steps" ? { heldNusd: holdNusd, images: need.images, features: need.features } : null;
  return { ok: true, route: clamped === null ? route : { ...route, request: clamped }, headers, steps };
}

/**
 * A slot is given back with the settlement, which travels 20 to 60 ms behind the answer: whoever goes on one by one, with
 * a limit of one at once, must not be refused for that. So a refusal for concurrency alone asks once more.
 */
function admitWithSlot(account: AccountId, ports: RouterPorts, request: AdmitRequest): Admission | Promise<Admission> {
  const asked = ports.accounts.admit(account, request);
  // From the isolate's lease: nobody is waited for, nobody refused.
  return asked instanceof Promise ? slotAfter(asked, account, ports, request) : asked;
}

async function slotAfter(
  asked: Promise<Admission>,
  account: AccountId,
  ports: RouterPorts,
  request: AdmitRequest,
): Promise<Admission> {
  const first = await asked;
  if (first.kind !== "refused" || first.error.kind !== "rate_limited") return first;
  if (!first.error.limitSource.endsWith("_concurrency")) return first;
  await new Promise<void>((resolve) => setTimeout(resolve, SLOT_PAUSE_MS));
  return await ports.accounts.admit(account, request);
}

/** While the generation is open the client's leaving is heard. `finish` ends that. */
function watch(job: Job, ports: RouterPorts): void {
  const { input, cancellation } = job;
  const { account, generationId } = input.asker;
  if (input.signal.aborted) cancellation.leave();
  else input.signal.addEventListener("abort", () => cancellation.leave(), { once: true });
  cancellation.onEnd(() => ports.accounts.forget(account, generationId));
}
