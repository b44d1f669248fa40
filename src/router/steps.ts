/**
 * The steps in which one stream holds credit (ledger/step.ts has their arithmetic). The pump compares one number per
 * batch; only near the end of what is held is anything counted or asked. The next step comes from the isolate's lease at
 * once, where it covers it, else by one call in the background. Only an answer that has used up what is held waits for it,
 * at most STEP_WAIT_MS; nothing is asked for after the client left.
 */
import type { NanoUsd } from "../core/money.ts";
import {
  affordableOutputTokens,
  AFFORDABLE_TOKENS_MAX,
  worstCaseNusd,
  type WorstCaseFeatures,
} from "../ledger/cost.ts";
import { nextStep, stepMarks, type StepMarks } from "../ledger/step.ts";
import { fullTokensOf, leavingCost } from "./admission.ts";
import { payablePrice } from "./byok.ts";
import type { Cancellation } from "./cancellation.ts";
import type { Job } from "./job.ts";
import type { Meter } from "./meter.ts";
import type { RouterPorts } from "./ports.ts";
import type { Candidate } from "./score.ts";

/** How long an answer that has used up its hold waits for the gate. */
const STEP_WAIT_MS = 5_000;
/** Characters between two counts, at least: each reads up to a piece of text anew. */
const COUNT_CHARS_MIN = 256;

/** What the admission says of a stream that holds in steps. */
export interface StepTerms {
  readonly heldNusd: NanoUsd;
  readonly images: number;
  readonly features: WorstCaseFeatures;
}

export interface Steps {
  /** Delivered characters (`Meter.chars`) from which `reach` is due. */
  dueChars: number;
  /** Sees to it that more is held. @returns false when what is held is used up and no more is to be had. */
  reach(meter: Meter): boolean | Promise<boolean>;
}

/** All of it is held: nothing is ever due. */
const NO_STEPS: Steps = { dueChars: Number.POSITIVE_INFINITY, reach: () => true };

/** The steps of an answer that `candidate` gives. */
export function createSteps(job: Job, candidate: Candidate, ports: RouterPorts): Steps {
  const { route, steps: terms } = job;
  const price = payablePrice(candidate);
  if (terms === null || price === null) return NO_STEPS;
  const { images } = terms;
  const features = { ...terms.features, surcharge: undefined, ...leavingCost(route.request, candidate) };
  const { request, promptTokens } = route;
  const choices = request.sampling.n ?? 1;
  const wholeTokens = Math.min(AFFORDABLE_TOKENS_MAX, fullTokensOf(request, candidate, promptTokens) * choices);
  const marksOf = (nusd: NanoUsd): { tokens: number; marks: StepMarks | null } => {
    const tokens = affordableOutputTokens(nusd, promptTokens, price, images, features);
    return { tokens, marks: stepMarks(tokens, wholeTokens) };
  };
  let heldNusd = terms.heldNusd;
  let held = marksOf(heldNusd);
  if (held.marks === null) return NO_STEPS;

  /** The call under way, or one that brought nothing: the next try is the last one, when all is used up. */
  let asked: Promise<void> | null = null;
  const take = (nusd: NanoUsd): void => {
    if (nusd <= heldNusd) return;
    heldNusd = nusd;
    held = marksOf(nusd);
    asked = null;
  };
  /** @returns the call, if there is one. */
  const ask = (): Promise<void> | null => {
    const { account, keyHash, generationId } = job.input.asker;
    const aimNusd = worstCaseNusd(promptTokens, nextStep(held.tokens, wholeTokens), images, price, features);
    const answer = ports.accounts.extend(account, { keyHash, generationId }, aimNusd - heldNusd);
    if (!(answer instanceof Promise)) {
      take(answer);
      return null;
    }
    const call = answer.then(take);
    ports.waitUntil(call);
    return call;
  };
  const isUsedUp = (tokens: number): boolean => held.marks !== null && tokens >= held.marks.endAt;
  const rearm = (meter: Meter, tokens: number): true => {
    const next = held.marks === null ? Number.POSITIVE_INFINITY : asked === null ? held.marks.askAt : held.marks.endAt;
    // A token has a character at least, nearly always several: the mark is neared in a few counts.
    steps.dueChars = meter.chars() + Math.max(COUNT_CHARS_MIN, next - tokens);
    return true;
  };
  const wait = async (meter: Meter, tokens: number): Promise<boolean> => {
    if (asked !== null) await within(asked, job.cancellation);
    if (isUsedUp(tokens) && !job.cancellation.hasLeft()) await within(ask(), job.cancellation);
    return !isUsedUp(tokens) && rearm(meter, tokens);
  };

  const steps: Steps = {
    dueChars: Math.max(COUNT_CHARS_MIN, held.marks.askAt),
    reach(meter) {
      const tokens = meter.deliveredTokens();
      // The upstream has said its last word: nothing is to be cut any more.
      if (choices === 1 && meter.finish().reason !== null) held = { ...held, marks: null };
      while (held.marks !== null && asked === null && tokens >= held.marks.askAt) {
        const before = held.tokens;
        asked = ask();
        if (asked === null && held.tokens === before) break;
      }
      return isUsedUp(tokens) ? wait(meter, tokens) : rearm(meter, tokens);
    },
  };
  return steps;
}

/** Waits for `work`, but not longer than STEP_WAIT_MS, nor for a client that has left. */
async function within(work: Promise<void> | null, cancellation: Cancellation): Promise<void> {
  if (work === null) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STEP_WAIT_MS);
    cancellation.onLeave(resolve);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
