/**
 * Which environment variables the worker gets: `<PROVIDER>_API_KEY` and `<PROVIDER>_BASE_URL` for the catalog's
 * providers and for any other (an operator may publish more), payments (`STRIPE_...`), and settings of its own
 * (`WAYPOST_...`).
 * Only those of known providers are checked: a machine has other software's variables too. When no known provider has a
 * credential, all of them are pointed at the demo upstream, except where a base URL says otherwise.
 */
import type { Provider } from "../catalog/schema.ts";
import { err, ok, type Result } from "../core/result.ts";
import { type Environment, variablePrefix } from "./environment.ts";

/** Variables of the tools themselves; the worker does not see them. */
const OWN = new Set([
  "WAYPOST_LOG",
  "WAYPOST_SCHEDULE_S",
  "WAYPOST_DEV_VARS",
  "WAYPOST_URL",
  "WAYPOST_SECRET",
  "WAYPOST_BUNDLE",
]);
const PASSED = /^([A-Z0-9_]+_(API_KEY|BASE_URL)|STRIPE_WEBHOOK_SECRET|WAYPOST_[A-Z0-9_]+)$/;

export type ProviderFace = Pick<Provider, "slug" | "base_url">;

/** @returns an error sentence for the first malformed variable of a known provider. Never repeats a value. */
export function readBindings(
  env: Environment,
  providers: readonly ProviderFace[],
): Result<Record<string, string>, string> {
  const known = new Set(providers.map(({ slug }) => variablePrefix(slug)));
  const bindings: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (OWN.has(name) || !PASSED.test(name)) continue;
    const fault = faultOf(name, value);
    if (fault === undefined) bindings[name] = value;
    else if (known.has(name.replace(/_(API_KEY|BASE_URL)$/, ""))) return err(fault);
  }
  return ok(bindings);
}

/** Providers of the catalog that have a credential. */
export function withCredential(bindings: Environment, providers: readonly ProviderFace[]): readonly ProviderFace[] {
  return providers.filter(({ slug }) => bindings[`${variablePrefix(slug)}_API_KEY`] !== undefined);
}

/** Credentials and base URLs that send every provider to the demo upstream at `origin`; `bindings` wins. */
export function demoBindings(
  origin: string,
  bindings: Environment,
  providers: readonly ProviderFace[],
): Record<string, string> {
  const demo: Record<string, string> = {};
  for (const { slug, base_url: baseUrl } of providers) {
    demo[`${variablePrefix(slug)}_API_KEY`] = "demo";
    // Adapters append their own path to the base; the mock knows one version of each format.
    const version = /\/v1beta(\/|$)/.test(new URL(baseUrl).pathname) ? "v1beta" : "v1";
    demo[`${variablePrefix(slug)}_BASE_URL`] = `${origin}/${version}`;
  }
  return { ...demo, ...bindings };
}

function faultOf(name: string, value: string): string | undefined {
  if (name.endsWith("_BASE_URL")) {
    const url = URL.parse(value);
    if (url === null || !/^https?:$/.test(url.protocol)) return `${name} must be an http or https URL.`;
    if (url.username !== "" || url.password !== "") return `${name} must not carry a user name or password.`;
    if (url.search !== "" || url.hash !== "") return `${name} must end with its path, without "?" or "#".`;
    return undefined;
  }
  // It travels in a header. Several are separated by commas, and there a space does no harm.
  const isSendable = /^[\x21-\x7e]+$/.test(value.replaceAll(/, +/g, ","));
  return isSendable ? undefined : `${name} must be printable ASCII without spaces, several with commas between them.`;
}
