/**
 * The guard of addresses that somebody else names: an operator's or creator's server, a tenant's image, a feed. Only
 * https to public hosts passes, and each redirect is judged like the first address. Nothing is resolved here (see
 * `address.ts`); fetch through a network that refuses private addresses, as `deps.ts` binds it.
 * A refusal repeats scheme and host, never a path, a query or a password.
 */
import { hostFault } from "./address.ts";
import { err, ok, type Result } from "./result.ts";

/** What may be reached. */
export interface AddressRule {
  /** The operator has opted in to http and to private addresses, for servers of its own network. */
  readonly allowsPrivate: boolean;
}

/** The rule for addresses that tenants name, always, and for the operator's unless it has opted in. */
const PUBLIC_ONLY: AddressRule = { allowsPrivate: false };

/** The most redirects that are followed. */
export const REDIRECTS_MAX = 5;
/** Longest address. */
export const URL_CHARS_MAX = 8_192;

/** Headers that go along to another origin; all others may be secrets. */
const CARRIED = new Set(["accept", "accept-encoding", "accept-language", "range", "user-agent"]);

/** The network as `deps.ts` gives it. */
type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What is asked for: no body, so that a redirect can always be followed. */
export interface PublicRequest {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** `refused`: the address, or one that it redirects to, is not allowed. `unreachable`: nothing answered. */
export interface PublicFetchFault {
  readonly kind: "refused" | "redirects" | "unreachable";
  /** One sentence. */
  readonly message: string;
}

export interface PublicAnswer {
  readonly response: Response;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

/**
 * Judges an address.
 * @returns an error sentence without a subject ("must be ...") for one that must not be fetched.
 */
export function publicUrl(text: string, rule: AddressRule = PUBLIC_ONLY): Result<URL, string> {
  if (text.length > URL_CHARS_MAX) return err(`must be a URL of at most ${URL_CHARS_MAX} characters`);
  // Not `canParse`: once it is hot, Node 22 refuses every text with a letter between U+0080 and U+00FF.
  const url = URL.parse(text);
  if (url === null) return err("must be a URL");
  if (url.username !== "" || url.password !== "") return err("must not carry a user name or password");
  if (rule.allowsPrivate && (url.protocol === "http:" || url.protocol === "https:")) return ok(url);
  if (url.protocol !== "https:") return err(`must be an https URL, not ${url.protocol}`);
  const fault = hostFault(url.hostname);
  return fault === undefined ? ok(url) : err(`must be on the public internet: ${url.hostname} ${fault}`);
}

/**
 * Fetches an address that somebody else named, and follows its redirects by hand. Never rejects; the body of the answer
 * is the caller's to read, within a limit of its own.
 */
export async function fetchPublic(
  text: string,
  request: PublicRequest,
  fetch: Fetch,
  rule: AddressRule = PUBLIC_ONLY,
): Promise<Result<PublicAnswer, PublicFetchFault>> {
  let headers = request.headers ?? {};
  let target = publicUrl(text, rule);
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    if (!target.ok) {
      const subject = redirects === 0 ? "The address" : "The address that it redirects to";
      return err({ kind: "refused", message: `${subject} ${target.error}.` });
    }
    const url = target.value;
    const response = await fetchOnce(url, { ...request, headers }, fetch);
    if (response === undefined) return err({ kind: "unreachable", message: `${url.host} could not be reached.` });
    if (!isRedirect(response.status)) return ok({ response, url });
    const location = response.headers.get("location");
    await response.body?.cancel().catch(() => undefined);
    const next = location === null ? null : URL.parse(location, url);
    if (next === null) {
      return err({ kind: "redirects", message: `${url.host} redirects without a usable Location.` });
    }
    if (next.origin !== url.origin) headers = carried(headers);
    target = publicUrl(next.href, rule);
  }
  return err({ kind: "redirects", message: `There are more than ${REDIRECTS_MAX} redirects.` });
}

async function fetchOnce(url: URL, request: PublicRequest, fetch: Fetch): Promise<Response | undefined> {
  try {
    return await fetch(url.href, {
      method: request.method ?? "GET",
      headers: { ...request.headers },
      redirect: "manual",
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
  } catch {
    // The cause's own text may hold an address.
    return undefined;
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function carried(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => CARRIED.has(name.toLowerCase())));
}
