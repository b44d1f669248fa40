/**
 * The front of every billable POST: who asks, the body read once and within limits, and `Idempotency-Key` honoured. A route
 * that goes through it has nothing to do for any of these.
 */
import * as z from "zod";
import type { Attachments } from "../core/attachments.ts";
import { newGenerationId, type GenerationId } from "../core/ids.ts";
import type { AnswerCopy } from "../router/job.ts";
import { readJson } from "./body.ts";
import { fail, type AppContext } from "./context.ts";
import { IDEMPOTENCY_CHARS_MAX, IDEMPOTENCY_HEADER, idempotencyKeyOf, once } from "./idempotency.ts";
import { authenticate, type Caller } from "./middleware/authenticate.ts";

/** The headers that it understands, for the document. */
export const billableHeaders = z.object({
  [IDEMPOTENCY_HEADER]: z
    .string()
    .min(1)
    .max(IDEMPOTENCY_CHARS_MAX)
    .optional()
    .describe("The same key and body get the same answer for 24 hours, and are charged once"),
});

export interface BillableRequest {
  readonly caller: Caller;
  /** The JSON value of the body, its large media cut out. */
  readonly body: unknown;
  readonly attachments: Attachments | null;
  readonly generationId: GenerationId;
  /** To be handed to the spine; null when nobody wants a copy of the answer. */
  readonly copy: AnswerCopy | null;
}

/** A route's work between its request and its answer. */
export type BillableWork = (context: AppContext, request: BillableRequest) => Promise<Response>;

/** The handler of a billable POST. */
export function billable(work: BillableWork): (context: AppContext) => Promise<Response> {
  return async function serveBillable(context) {
    const deps = context.get("deps");
    const receivedAtMs = context.get("receivedAtMs");
    const caller = await authenticate(context);
    if (!caller.ok) return fail(context, caller.error);
    const key = idempotencyKeyOf(context);
    if (!key.ok) return fail(context, key.error);
    const read = await readJson(context.req.raw, { wantsDigest: key.value !== null, randomBytes: deps.randomBytes });
    if (!read.ok) return fail(context, read.error);
    const { value: body, attachments, digest, release } = read.value;
    const generationId = newGenerationId(receivedAtMs, deps.randomBytes);
    const request = { caller: caller.value, body, attachments, generationId };
    try {
      if (key.value === null || digest === null) return await work(context, { ...request, copy: null });
      const repeatable = { caller: caller.value, key: key.value, digest, generationId };
      return await once(context, repeatable, (copy) => work(context, { ...request, copy }));
    } finally {
      release();
    }
  };
}
