/** Who asks: the key of a request, checked without I/O, and the account that it leads to. */
import type { RouterError } from "../../core/error.ts";
import type { AccountId, KeyHash } from "../../core/ids.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AppContext } from "../context.ts";
import { mannersAt } from "../manners.ts";

export interface Caller {
  readonly account: AccountId;
  readonly keyHash: KeyHash;
}

/** Headers in which clients of other APIs send their key. */
const KEY_HEADERS = ["x-api-key", "x-goog-api-key"] as const;

/** The bearer token, or the key where clients of the other dialects put it. Empty when there is none. */
export function bearerOf(context: AppContext): string {
  const authorization = context.req.header("authorization");
  if (authorization !== undefined) {
    const found = /^Bearer\s+(\S+)\s*$/i.exec(authorization);
    return found?.[1] ?? "";
  }
  for (const name of KEY_HEADERS) {
    const key = context.req.header(name);
    if (key !== undefined) return key;
  }
  return mannersAt(context.req.path).takesKeyInQuery ? (context.req.query("key") ?? "") : "";
}

/** @returns `unauthenticated` for no key or one that is not ours; whether it may still be used is its gate's answer. */
export async function authenticate(context: AppContext): Promise<Result<Caller, RouterError>> {
  const token = bearerOf(context);
  if (token === "") return err({ kind: "unauthenticated", message: "Missing Authentication header" });
  const verified = await context.get("deps").verify(token);
  if (!verified.ok) return err({ kind: "unauthenticated", message: verified.error });
  const { account, hash } = verified.value;
  context.get("wide").set({ account_id: account, key: hash.slice(0, 12) });
  return ok({ account, keyHash: hash });
}

/** True when the bearer is the operator key; compared in constant time over hashes. */
export async function isOperator(context: AppContext): Promise<boolean> {
  const encoder = new TextEncoder();
  const [given, wanted] = await Promise.all(
    [bearerOf(context), context.get("deps").settings.operatorKey].map((text) =>
      crypto.subtle.digest("SHA-256", encoder.encode(text)),
    ),
  );
  return given !== undefined && wanted !== undefined && crypto.subtle.timingSafeEqual(given, wanted);
}
