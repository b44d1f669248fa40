/**
 * Pages of the model list as bytes, kept per published list and query, so that a list of a thousand models is filtered
 * and written once in an isolate. A page has a tag (ETag), and who has it already gets 304 without a body.
 */
import type { ListingRow } from "../catalog/listing.ts";
import type { AppContext } from "./context.ts";

export interface Page {
  readonly text: string;
  readonly contentType: string;
}

interface KeptPage {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly etag: string;
}

/** Pages kept of one list, and bytes of all of them; beyond either the oldest go. */
const PAGES_MAX = 64;
const BYTES_MAX = 8 * 1_048_576;
/** Longer queries are answered, but not kept. */
const KEY_CHARS_MAX = 500;

// Pages by their list and query; a list is collected when the reader has a newer one, and its pages with it.
const keptPages = new WeakMap<readonly ListingRow[], Map<string, KeptPage>>();

/**
 * The answer for a page of `rows`. `key` names all that it depends on beside them; null: it must not be kept, because it
 * depends on the time.
 */
export async function pageResponse(
  context: AppContext,
  rows: readonly ListingRow[],
  key: string | null,
  make: () => Page,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const page = await keptPage(rows, key, make);
  const all = { ...headers, "Content-Type": page.contentType, ETag: page.etag };
  const known = context.req.header("if-none-match");
  return known !== undefined && isNamed(page.etag, known)
    ? new Response(null, { status: 304, headers: all })
    : new Response(page.bytes, { headers: all });
}

async function keptPage(rows: readonly ListingRow[], key: string | null, make: () => Page): Promise<KeptPage> {
  const pages = keptPages.get(rows) ?? new Map<string, KeptPage>();
  keptPages.set(rows, pages);
  const kept = key === null ? undefined : pages.get(key);
  if (kept !== undefined) return kept;
  const { text, contentType } = make();
  const bytes = new TextEncoder().encode(text);
  const page = { bytes, contentType, etag: await etagOf(bytes) };
  if (key !== null && key.length <= KEY_CHARS_MAX && bytes.length <= BYTES_MAX) keep(pages, key, page);
  return page;
}

function keep(pages: Map<string, KeptPage>, key: string, page: KeptPage): void {
  pages.set(key, page);
  let total = 0;
  for (const { bytes } of pages.values()) total += bytes.length;
  for (const [oldest, { bytes }] of pages) {
    if (pages.size <= PAGES_MAX && total <= BYTES_MAX) return;
    pages.delete(oldest);
    total -= bytes.length;
  }
}

/** The first 128 bits of SHA-256, as a strong tag. */
async function etagOf(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).subarray(0, 16);
  return `"${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}

/** `If-None-Match` names this tag, or any; weak tags count, as RFC 9110 8.8.3.2 has it for this header. */
function isNamed(etag: string, header: string): boolean {
  return header.split(",").some((part) => ["*", etag].includes(part.trim().replace(/^W\//, "")));
}
