/**
 * GET /generation?id=: everything about one generation of the caller's account.
 * The gate has it within about 100 ms of the answer's last byte (later where an account of many isolates gathers), D1 some
 * time after; a caller that asks sooner is kept waiting for a moment instead of being told a 404 that would be wrong a
 * moment later.
 */
import type { Hono } from "hono";
import * as z from "zod";
import type { EpochMs } from "../../core/clock.ts";
import type { RouterError } from "../../core/error.ts";
import { asGenerationId, type AccountId, type GenerationId } from "../../core/ids.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AccountDeskRpc } from "../../gates/account-contract.ts";
import { readGeneration, type BookedGeneration } from "../../insight/generations.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { generationBody, GenerationShape } from "../generation-shape.ts";
import { deskOf, gateAnswer, PRIVATE } from "../middleware/identify.ts";
import { authenticate } from "../middleware/authenticate.ts";
import type { Operation } from "../operation.ts";
import { stored } from "../stored.ts";

/** Pauses before the gate is asked again, 1 s in all. */
const PAUSES_MS = [50, 100, 150, 200, 250, 250];
/** After the longest answer's end, a generation is settled within this time or lost. */
const SETTLE_MS_MAX = 10_000;

export const readGenerationOperation: Operation = {
  id: "readGeneration",
  method: "get",
  path: "/generation",
  summary: "Read what a generation used, cost and went through",
  auth: "any",
  query: z.object({ id: z.string().describe("The generation's id, as `X-Generation-Id` told it") }),
  responses: { 200: { description: "The generation", body: z.object({ data: GenerationShape }) } },
};

export function registerReadGeneration(app: Hono<AppEnv>): void {
  app.get("/generation", getGeneration);
}

async function getGeneration(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const caller = await authenticate(context);
  if (!caller.ok) return fail(context, caller.error);
  const text = context.req.query("id") ?? "";
  if (text === "")
    return fail(context, { kind: "bad_request", message: "id is required: a generation's id", path: "id" });
  const gate = deskOf(context, caller.value);
  const id = generationIdOf(text);
  // Whether the key may be used, and the generation: one round trip for both.
  const [identity, first] = await Promise.all([
    gateAnswer(gate.identify(caller.value.keyHash)),
    id === undefined ? ok(undefined) : find(context, gate, caller.value.account, id),
  ]);
  if (!identity.ok) return fail(context, identity.error);
  const isYoung = id !== undefined && deps.clock() - beganAtMs(id) < deps.settings.deadlines.totalMs + SETTLE_MS_MAX;
  let found: Result<BookedGeneration | undefined, RouterError> = first;
  for (const pauseMs of isYoung ? PAUSES_MS : []) {
    if (!found.ok || found.value !== undefined || id === undefined) break;
    await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
    found = await find(context, gate, caller.value.account, id);
  }
  if (!found.ok) return fail(context, found.error);
  if (found.value === undefined) {
    return fail(context, { kind: "not_found", message: "There is no generation with this id" });
  }
  context.get("wide").set({ generation_id: found.value.record.id });
  return json({ data: generationBody(found.value) }, 200, PRIVATE);
}

/** The gate first: what it no longer has was committed to D1 before it was forgotten. */
async function find(
  context: AppContext,
  gate: AccountDeskRpc,
  account: AccountId,
  id: GenerationId,
): Promise<Result<BookedGeneration | undefined, RouterError>> {
  const fresh = await gateAnswer(gate.generation(id));
  if (!fresh.ok) return err(fresh.error);
  if (fresh.value !== null) return ok(fresh.value);
  return await stored(readGeneration(context.get("deps").books.of(account), account, id));
}

const GENERATION_ID = /^gen-(\d{10})-[0-9A-Za-z]{20}$/;

function generationIdOf(text: string): GenerationId | undefined {
  return GENERATION_ID.test(text) ? asGenerationId(text) : undefined;
}

/** The second in which the request was received; a stream may have ended long after. */
function beganAtMs(id: GenerationId): EpochMs {
  return Number(GENERATION_ID.exec(id)?.[1] ?? 0) * 1_000;
}
