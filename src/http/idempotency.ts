/**
 * `Idempotency-Key`: the same key with the same request gets the same answer, and is charged once. Kept for 24 hours per
 * API key in the account's gate, sealed; see gates/account-replies.ts for what is kept, and how much of it.
 *
 * | the repeat finds | it gets |
 * |---|---|
 * | an answer (a broken stream that was charged is one) | the same status, headers and bytes, and `Idempotent-Replayed: true` |
 * | another request that still works on it | waits up to WAIT_MS, then 409 with Retry-After |
 * | a request with another body | 422 |
 * | an answer that was charged and is not kept (zero retention, its client left in mid-stream, too large) | 409 |
 * | nothing, or an error that was not charged | is served anew |
 *
 * Costs one awaited call to the gate before the answer, and only requests that carry the header pay it. The answer is
 * copied beside the stream and stored after its end; until then a repeat waits.
 */
import type { RouterError } from "../core/error.ts";
import type { GenerationId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ReplyAnswer, ReplyClaim, ReplyCommand, WithheldReason } from "../gates/account-replies-contract.ts";
import { sha256 } from "./body.ts";
import { fail, type AppContext } from "./context.ts";
import { openReply, sealReply } from "./kept-reply.ts";
import type { Caller } from "./middleware/authenticate.ts";
import { createReplyCopy, type Copied, type ReplyCopy } from "./reply-copy.ts";
import { asked } from "./stored.ts";

export const IDEMPOTENCY_HEADER = "Idempotency-Key";
export const IDEMPOTENCY_CHARS_MAX = 255;
/** How long a repeat waits for the first one; as long as the claim of one that died still lives. */
const WAIT_MS = 30_000;
/** One call to the gate waits no longer, so that a gate that restarts loses little. */
const CALL_WAIT_MS = 10_000;
const RETRY_AFTER_S = 5;
/** Claims live 30 s. */
const RENEW_MS = 10_000;
/** Tries to store an answer, and the pause between two: the platform lets work go on for 30 s. */
const STORE_TRIES = 4;
const STORE_PAUSE_MS = 500;

/** The header's value; null without one. @returns `bad_request` for what is no key. */
export function idempotencyKeyOf(context: AppContext): Result<string | null, RouterError> {
  const key = context.req.header(IDEMPOTENCY_HEADER);
  if (key === undefined) return ok(null);
  if (key.length >= 1 && key.length <= IDEMPOTENCY_CHARS_MAX && /^[\x20-\x7e]+$/.test(key)) return ok(key);
  const message = `${IDEMPOTENCY_HEADER} must have 1 to ${IDEMPOTENCY_CHARS_MAX} printable ASCII characters`;
  return err({ kind: "bad_request", message, path: IDEMPOTENCY_HEADER });
}

export interface Repeatable {
  readonly caller: Caller;
  readonly key: string;
  /** Of the body. */
  readonly digest: string;
  readonly generationId: GenerationId;
}

interface Desk {
  readonly id: string;
  readonly owner: string;
  /** What the answer is sealed for. */
  readonly sealedFor: string;
  ask(command: ReplyCommand): Promise<Result<ReplyAnswer, RouterError>>;
}

/** Serves a request once for its key: `serve` runs unless there is an answer, or another one works on it. */
export async function once(
  context: AppContext,
  request: Repeatable,
  serve: (copy: ReplyCopy) => Promise<Response>,
): Promise<Response> {
  const desk = await deskOf(context, request);
  const claim = await claimed(context, desk, request);
  if (!claim.ok) return fail(context, claim.error);
  switch (claim.value.kind) {
    case "mine": {
      const copy = createReplyCopy();
      if (claim.value.isZeroRetention) copy.withhold();
      const work = serveAndKeep(context, desk, copy, serve);
      // A client that leaves must not take the answer with it: it will ask again.
      context.get("deps").waitUntil(work.catch(() => undefined));
      return await work;
    }
    case "stored":
      return await replay(context, desk, claim.value);
    case "running":
      return fail(context, {
        kind: "conflict",
        message: `A request with this ${IDEMPOTENCY_HEADER} is still running. Try again when it has ended.`,
        retryAfterS: RETRY_AFTER_S,
      });
    case "withheld":
      return fail(context, withheldError(claim.value.reason, claim.value.generationId));
    case "mismatch":
      return fail(context, {
        kind: "unprocessable",
        message: `This ${IDEMPOTENCY_HEADER} was used with another request. Send a new key with a new body.`,
        path: IDEMPOTENCY_HEADER,
      });
    default:
      return claim.value satisfies never;
  }
}

async function deskOf(context: AppContext, { caller, key }: Repeatable): Promise<Desk> {
  const deps = context.get("deps");
  const requestId = context.get("requestId");
  const id = await sha256(`${caller.keyHash}\n${key}`);
  return {
    id,
    owner: requestId,
    sealedFor: `reply ${caller.account} ${id}`,
    ask: async (command) => await asked(async () => await deps.accountGate(caller.account).replies(command)),
  };
}

/** Claims, and waits for another one as long as a repeat waits. A gate that restarts under the call is asked once more. */
async function claimed(
  context: AppContext,
  { id, owner, ask }: Desk,
  { caller, digest, generationId }: Repeatable,
): Promise<Result<ReplyClaim, RouterError>> {
  const { keyHash } = caller;
  const { clock } = context.get("deps");
  // `/v1` and `/api/v1` are the same.
  const fingerprint = await sha256(`${context.req.method} ${context.req.path.replace(/^\/api/, "")}\n${digest}`);
  const endMs = clock() + WAIT_MS;
  let failures = 0;
  for (;;) {
    const waitMs = Math.max(0, Math.min(CALL_WAIT_MS, endMs - clock()));
    const answer = await ask({ kind: "claim", id, keyHash, fingerprint, owner, generationId, waitMs });
    if (!answer.ok) {
      if (answer.error.kind !== "storage" || ++failures > 1) return answer;
      continue;
    }
    const { value } = answer;
    if (value.kind === "done" || value.kind === "gone" || value.kind === "piece") return err({ kind: "internal" });
    if (value.kind !== "running" || clock() >= endMs || context.req.raw.signal.aborted) return ok(value);
  }
}

/** Serves, and stores the answer when it has ended. Resolves with the answer; the storing goes on under `waitUntil`. */
async function serveAndKeep(
  context: AppContext,
  desk: Desk,
  copy: ReplyCopy,
  serve: (copy: ReplyCopy) => Promise<Response>,
): Promise<Response> {
  const deps = context.get("deps");
  const { id, owner, ask } = desk;
  const renewal = setInterval(() => deps.waitUntil(ask({ kind: "renew", id, owner })), RENEW_MS);
  const keep = async (head: Head, ended: Promise<void>): Promise<void> => {
    try {
      await ended;
      await keepReply(context, desk, head, copy.read());
    } finally {
      copy.release();
      clearInterval(renewal);
    }
  };
  try {
    const response = await serve(copy);
    const head = { status: response.status, headers: Object.fromEntries(response.headers) };
    if (context.get("isStreaming")) {
      deps.waitUntil(keep(head, copy.closed));
      return response;
    }
    const text = await response.text();
    copy.add(text);
    deps.waitUntil(keep(head, Promise.resolve()));
    return new Response(text, head);
  } catch (error) {
    clearInterval(renewal);
    copy.release();
    deps.waitUntil(ask({ kind: "drop", id, owner }));
    throw error;
  }
}

interface Head {
  readonly status: number;
  readonly headers: Record<string, string>;
}

async function keepReply(context: AppContext, desk: Desk, head: Head, copied: Copied): Promise<void> {
  const { id, owner } = desk;
  // An error, or a stream of nothing but an error: nothing was charged, and the next one may fare better.
  if (!copied.isCharged) {
    await insist(desk, { kind: "drop", id, owner });
    return;
  }
  const reason = withheldReason(copied);
  const { settings, randomBytes } = context.get("deps");
  const pieces =
    reason !== null || copied.text === null
      ? null
      : await sealReply(head, copied.text, {
          context: desk.sealedFor,
          secret: settings.sealingSecret,
          random: randomBytes,
        });
  const withheld = reason ?? (pieces === null ? "too_large" : null);
  for (const [at, bytes] of (pieces ?? []).entries()) {
    if (!(await insist(desk, { kind: "write", id, owner, at, bytes }))) break;
  }
  await insist(desk, { kind: "finish", id, owner, pieces: pieces?.length ?? 0, withheld });
}

function withheldReason(copied: Copied): WithheldReason | null {
  if (copied.hasLeft) return "left";
  if (copied.isWithheld) return "zero_retention";
  return copied.text === null ? "too_large" : null;
}

/** Asks until the gate has answered. @returns whether it took it. */
async function insist({ ask }: Desk, command: ReplyCommand): Promise<boolean> {
  for (let tries = 0; tries < STORE_TRIES; tries++) {
    if (tries > 0) await new Promise<void>((resolve) => setTimeout(resolve, STORE_PAUSE_MS * 2 ** tries));
    const answer = await ask(command);
    if (answer.ok) return answer.value.kind === "done";
  }
  return false;
}

async function replay(
  context: AppContext,
  { id, ask, sealedFor }: Desk,
  claim: Extract<ReplyClaim, { readonly kind: "stored" }>,
): Promise<Response> {
  const secrets = context.get("deps").settings.openingSecrets;
  const opened = await openReply(claim.first, claim.pieces, { context: sealedFor, secrets }, async (at) => {
    const answer = await ask({ kind: "read", id, at });
    return answer.ok && answer.value.kind === "piece" ? answer.value.bytes : null;
  });
  if (opened === null) {
    const message = `The answer to this ${IDEMPOTENCY_HEADER} can't be opened any more. It was charged; send a new key.`;
    return fail(context, { kind: "conflict", message });
  }
  const { status, headers } = opened.head;
  return new Response(opened.body, { status, headers: { ...headers, "Idempotent-Replayed": "true" } });
}

const WHY_WITHHELD: Readonly<Record<WithheldReason, string>> = {
  zero_retention: "was not kept, as this request or account wants nothing retained",
  left: "was cut short when its client left, and charged for what was delivered",
  too_large: "was too large to be kept",
  evicted: "has made room for newer ones",
  unstored: "was charged, but lost before it could be kept",
};

function withheldError(reason: WithheldReason, generationId: GenerationId): RouterError {
  const message =
    `A request with this ${IDEMPOTENCY_HEADER} was answered before, and its answer ${WHY_WITHHELD[reason]}. ` +
    "Send a new key to ask, and be charged, again.";
  return { kind: "conflict", message, generationId };
}
