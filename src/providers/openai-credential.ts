/**
 * Providers that give each customer an address: the credential is `part:...:secret`, and its parts stand in the base URL
 * as `{part}`. So a tenant's own credential reaches the tenant's own account without anybody naming a host: a part is a
 * single label of letters, digits and hyphens. Pure.
 */
import { err, ok, type Result } from "../core/result.ts";
import type { Target } from "./adapter.ts";
import type { OpenAiQuirks } from "./openai-quirks.ts";

const PART = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;

/**
 * The target with its parts in place and the bare secret as its credential. A base URL without places for them (the
 * operator's own) takes a credential without parts as well.
 * @returns a sentence when the base URL needs parts that the credential lacks.
 */
export function resolvedTarget(
  target: Target,
  { credential_parts: names }: Pick<OpenAiQuirks, "credential_parts">,
): Result<Target, string> {
  if (names.length === 0) return ok(target);
  const pieces = target.credential.split(":");
  const parts = pieces.slice(0, names.length);
  const credential = pieces.slice(names.length).join(":");
  if (credential === "" || !parts.every((part) => PART.test(part))) {
    const isNeeded = names.some((name) => target.baseUrl.includes(`{${name}}`));
    return isNeeded ? err(`The credential of this provider must be ${[...names, "secret"].join(":")}.`) : ok(target);
  }
  let { baseUrl } = target;
  for (const [at, name] of names.entries()) baseUrl = baseUrl.replaceAll(`{${name}}`, parts[at] ?? "");
  return ok({ ...target, baseUrl, credential });
}
