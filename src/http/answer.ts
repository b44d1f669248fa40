/**
 * From a dialect's body to its answer: what the generating routes of all dialects have in common. The spine does the work;
 * here stand the request's own facts, and the three forms of what comes back: refused, one body, a stream.
 */
import { asRequestId, placeOfAccount, type PresetId } from "../core/ids.ts";
import type { Beside, Dialect } from "../dialects/dialect.ts";
import { generate } from "../router/generate.ts";
import type { Asker } from "../router/settlement.ts";
import type { BillableRequest } from "./billable.ts";
import { fail, type AppContext } from "./context.ts";
import { faceOfFailure } from "./error-exhausted.ts";
import { filledIn } from "./named-preset.ts";
import { faceOf } from "./respond.ts";

/** Longest value of a header that is kept with a generation. */
const HEADER_CHARS_MAX = 256;

/** Answers in `dialect`. `path`: what the path says of model and stream, where a dialect says it there. */
export async function answer(
  dialect: Dialect,
  context: AppContext,
  billed: BillableRequest,
  path: Omit<Beside, "header"> = {},
): Promise<Response> {
  const deps = context.get("deps");
  const wide = context.get("wide");
  const header = (name: string): string | null => context.req.header(name) ?? null;
  const read = dialect.parse(billed.body, { ...path, header });
  if (!read.ok) return fail(context, read.error);
  let parsed = read.value;
  let presetId: PresetId | undefined;
  if (parsed.preset !== undefined) {
    const filled = await filledIn(context, billed.caller.account, parsed, parsed.preset);
    if (!filled.ok) return fail(context, filled.error);
    ({ parsed, presetId } = filled.value);
  }
  const { user } = parsed.request;
  // The body wins over the header. Both name the conversation to routing and to the record.
  const sessionId = parsed.sessionId ?? shortHeader(context, "x-session-id");
  const asker = askerOf(context, billed, sessionId, user ?? null, presetId);
  wide.set({ generation_id: asker.generationId });
  const generated = await generate(
    {
      dialect,
      parsed: { ...parsed, sessionId },
      attachments: billed.attachments,
      asker,
      home: placeOfAccount(asker.account)?.home ?? "gl",
      place: context.get("place"),
      userHash: user === undefined ? null : await hashOf(`${asker.account}\n${user}`),
      wantsMetadata: wantsMetadata(context),
      // A task has no output that could be cut.
      refusesClamp: parsed.request.task !== undefined || context.req.header("x-waypost-no-clamp") === "1",
      signal: context.req.raw.signal,
      wide,
      copy: billed.copy,
      faceOf,
      faceOfFailure,
    },
    deps.router,
  );
  switch (generated.kind) {
    case "refused":
      return fail(context, generated.error, { generationId: asker.generationId, metadata: generated.metadata });
    case "reply":
      context.set("endsLater", true);
      return new Response(JSON.stringify(generated.body), {
        headers: { "Content-Type": "application/json", ...generated.headers },
      });
    case "stream":
      context.set("isStreaming", true);
      context.set("endsLater", true);
      return new Response(generated.body, { headers: generated.headers });
    default:
      return generated satisfies never;
  }
}

function askerOf(
  context: AppContext,
  { caller, generationId }: BillableRequest,
  sessionId: string | null,
  user: string | null,
  presetId: PresetId | undefined,
): Asker {
  const place = context.get("place");
  const receivedAtMs = context.get("receivedAtMs");
  const requestId = context.get("requestId");
  const header = (name: string): string | null => shortHeader(context, name);
  return {
    account: caller.account,
    keyHash: caller.keyHash,
    requestId: asRequestId(requestId),
    generationId,
    receivedAtMs,
    httpReferer: header("http-referer") ?? header("referer"),
    appTitle: header("x-openrouter-title") ?? header("x-title"),
    origin: header("origin"),
    userAgent: header("user-agent"),
    externalUser: user?.slice(0, HEADER_CHARS_MAX) ?? null,
    sessionId,
    clientPlace: place?.colo ?? null,
    presetId,
  };
}

function shortHeader(context: AppContext, name: string): string | null {
  return context.req.header(name)?.slice(0, HEADER_CHARS_MAX) ?? null;
}

function wantsMetadata(context: AppContext): boolean {
  const asked = context.req.header("x-openrouter-metadata") ?? context.req.header("x-openrouter-experimental-metadata");
  return asked === "enabled";
}

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
