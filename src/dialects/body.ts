/**
 * What the parsers of all dialects do: open a body, refuse it, warn of what will not be honoured, keep what nobody knows.
 * Limits: DEPTH_MAX levels of nesting, counted without recursion; WARNINGS_MAX sentences.
 */
import type { CacheControl } from "../core/chat.ts";
import type { RouterError } from "../core/error.ts";
import { isObject, type Json } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";

/** Levels of arrays and objects in a body. Deeper JSON overflows the stack of whoever writes it again. */
export const DEPTH_MAX = 64;
const WARNINGS_MAX = 32;

export type BadRequest = RouterError & { readonly kind: "bad_request" };

/** A refusal in one sentence; `path` names the field that is to blame. */
export function refuse(message: string, path?: string): { readonly ok: false; readonly error: BadRequest } {
  return err({ kind: "bad_request", message, path });
}

/** A body that may be read: an object, not nested too deep. */
export function openBody(body: unknown): Result<Record<string, unknown>, BadRequest> {
  if (!isObject(body)) return refuse("The body must be a JSON object");
  const deep = tooDeepField(body);
  return deep === undefined ? ok(body) : refuse(`${deep} is nested more than ${DEPTH_MAX} levels deep`, deep);
}

/** Collects what will not be honoured, each sentence once. */
export type Warn = (sentence: string) => void;

export function createWarnings(): { readonly warn: Warn; warnings(): readonly string[] } {
  const sentences = new Set<string>();
  return {
    warn(sentence) {
      if (sentences.size < WARNINGS_MAX) sentences.add(sentence);
    },
    warnings: () => [...sentences],
  };
}

/** `{ [key]: value }`, or nothing when the value is not set. */
export function given<K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } {
  // A computed key widens to string for the compiler.
  return value === null || value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}

/** The first top-level field below which nesting passes DEPTH_MAX; a loop over an explicit stack. */
function tooDeepField(body: Record<string, unknown>): string | undefined {
  for (const field of Object.keys(body)) {
    const root = body[field];
    if (typeof root !== "object" || root === null) continue;
    const nodes: object[] = [root];
    const depths: number[] = [2];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() ?? 0;
      if (depth > DEPTH_MAX) return field.slice(0, 64);
      for (const child of Array.isArray(node) ? (node as unknown[]) : (Object.values(node) as unknown[])) {
        if (typeof child !== "object" || child === null) continue;
        nodes.push(child);
        depths.push(depth + 1);
      }
    }
  }
  return undefined;
}

/** The models that a body names, `model` first, without repeats. */
export function modelsOf(wire: {
  readonly model?: string | null | undefined;
  readonly models?: readonly string[] | null | undefined;
}): string[] {
  const named = typeof wire.model === "string" ? [wire.model] : [];
  return [...new Set([...named, ...(wire.models ?? [])])];
}

export type WireCacheControl =
  | { readonly type: "ephemeral"; readonly ttl?: "5m" | "1h" | null | undefined }
  | null
  | undefined;

/** `cache_control` of the wire, or undefined. */
export function cacheControlOf(wire: WireCacheControl): CacheControl | undefined {
  if (wire === null || wire === undefined) return undefined;
  return wire.ttl === null || wire.ttl === undefined ? { type: "ephemeral" } : { type: "ephemeral", ttl: wire.ttl };
}

/** Fields that are not `known`, in the client's order. */
export function extraOf(body: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): Record<string, Json> {
  const extra: Record<string, Json> = {};
  for (const field of Object.keys(body)) {
    const value = body[field];
    if (value === null || value === undefined || known.has(field)) continue;
    if (field === "service_tier" && !isOrdinaryTier(value)) continue;
    extra[field] = value as Json; // parsed from JSON
  }
  return extra;
}

/** Other tiers have prices of their own, which no endpoint of the catalog lists. */
export function isOrdinaryTier(tier: unknown): boolean {
  return tier === "auto" || tier === "default";
}
