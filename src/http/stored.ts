/** The border to D1, KV and the gates, which throw when they cannot be reached: here that becomes a value. */
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";

/**
 * Waits for work that reads or writes a store.
 * @returns `storage`, whose message is for the log: a client only hears that it may try again.
 */
export async function stored<T>(work: Promise<T>): Promise<Result<T, RouterError>> {
  try {
    return ok(await work);
  } catch (error) {
    return err({ kind: "storage", message: error instanceof Error ? error.message : String(error) });
  }
}

/** Waits for a gate's answer. @returns what the gate refuses with, or `storage` when it cannot be reached. */
export async function asked<T>(call: () => Promise<Result<T, RouterError>>): Promise<Result<T, RouterError>> {
  const answer = await stored(call());
  return answer.ok ? answer.value : answer;
}
