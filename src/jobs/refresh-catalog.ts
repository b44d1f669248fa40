/**
 * Takes over a published list of models from a URL, once per interval, as `npm run catalog -- import` does, but alone: a
 * price that would move by more than a fifth stays where it was until the operator imports it, and a list that lost much
 * of what it had brought is refused. A run publishes a part when there is much to write; the next runs go on. Reads
 * nothing when the list says that it has not changed. Limits: LIST_BYTES_MAX, LIST_MS_MAX.
 */
import * as z from "zod";
import { importFeed, isBroken, type Import } from "../catalog/import/assemble.ts";
import { diffCatalogs, FLAG_BPS } from "../catalog/import/diff.ts";
import { readFeed } from "../catalog/import/formats.ts";
import { parseCatalog } from "../catalog/parse.ts";
import { readPublished } from "../catalog/publish.ts";
import type { Catalog } from "../catalog/schema.ts";
import type { EpochMs } from "../core/clock.ts";
import { parseJson } from "../core/json.ts";
import { fetchPublic } from "../core/public-url.ts";
import { err, ok, type Result } from "../core/result.ts";
import { ADAPTERS } from "../providers/registry.ts";
import type { JobPorts, RefreshPorts } from "./ports.ts";
import { HELD_SHOWN_MAX, REFRESH_KEY, type RefreshReport } from "./refresh-report.ts";
import { endTurn, keepCursor, takeTurn } from "./turns.ts";

const LIST_BYTES_MAX = 32 * 1024 * 1024;
const LIST_MS_MAX = 30_000;
/** A list that could not be had, or not be published, is asked for again after so long. */
const RETRY_MS = 900_000;

/** What is remembered between runs. */
const State = z.object({
  nextMs: z.number(),
  /** The list's own mark when it was taken over whole, and the version that came of it; null: unknown. */
  etag: z.string().nullable(),
  version: z.string().nullable(),
});
type State = z.infer<typeof State>;
const START: State = { nextMs: 0, etag: null, version: null };

/** One run. Throws what the main database or the store throws. */
export async function refreshCatalog(ports: JobPorts): Promise<void> {
  const { refresh, books, clock, log } = ports;
  if (refresh === null) return;
  const nowMs = clock();
  const turn = await takeTurn(books.main, "catalog", nowMs);
  if (turn === undefined) return;
  try {
    const state = State.safeParse(parseJson(turn.cursor ?? "")).data ?? START;
    if (nowMs < state.nextMs) return;
    const { report, etag } = await refreshOnce(refresh, state, nowMs);
    await refresh.store.put(REFRESH_KEY, JSON.stringify(report));
    await keepCursor(books.main, "catalog", JSON.stringify(stateAfter(report, etag, state, refresh.everyMs, nowMs)));
    log(JSON.stringify({ event: "catalog_refresh", ...report, held: report.held.length }));
  } finally {
    await endTurn(books.main, "catalog");
  }
}

function stateAfter(
  { outcome, version }: RefreshReport,
  etag: string | null,
  before: State,
  everyMs: number,
  nowMs: EpochMs,
): State {
  switch (outcome) {
    case "published":
      return { nextMs: nowMs + everyMs, etag, version };
    case "unchanged":
      return { nextMs: nowMs + everyMs, etag: etag ?? before.etag, version: version ?? before.version };
    case "partly":
      return { nextMs: 0, etag: null, version: null };
    case "refused":
    case "failed":
      return { nextMs: nowMs + Math.min(RETRY_MS, everyMs), etag: null, version: null };
    default:
      return outcome satisfies never;
  }
}

interface Refreshed {
  readonly report: RefreshReport;
  readonly etag: string | null;
}

async function refreshOnce(refresh: RefreshPorts, state: State, nowMs: EpochMs): Promise<Refreshed> {
  const end = (outcome: RefreshReport["outcome"], message: string, more: Partial<RefreshReport> = {}): Refreshed => ({
    report: { ...emptyReport(refresh.url, nowMs), outcome, message, ...more },
    etag: null,
  });
  const live = await readPublished(refresh.store);
  if (live === undefined) return end("failed", "No catalog is published yet.");
  const base = parseCatalog(live.catalog, ADAPTERS, refresh.addresses);
  if (!base.ok) return end("failed", `The live catalog is refused: ${base.error[0]?.path} ${base.error[0]?.message}.`);
  const { version } = live.index;
  const list = await readList(refresh, state.version === version ? state.etag : null);
  if (!list.ok) return end("failed", list.error);
  if (list.value.text === null) return end("unchanged", "The list has not changed.", { version });
  const feed = readFeed(parseJson(list.value.text));
  if (!feed.ok) return end("refused", feed.error);
  const done = importFeed(base.value, feed.value, {
    asOf: new Date(nowMs).toISOString().slice(0, 10),
    adapters: ADAPTERS,
    addresses: refresh.addresses,
    only: null,
    holdAboveBps: FLAG_BPS,
  });
  if (!done.ok) return end("refused", `The list makes no catalog: ${done.error[0]?.path} ${done.error[0]?.message}.`);
  const counts = countsOf(base.value, done.value);
  if (isBroken(done.value)) {
    return end("refused", `${done.value.lost} of ${done.value.brought} endpoints are gone from the list.`, counts);
  }
  const text = JSON.stringify(done.value.catalog);
  const { etag } = list.value;
  if (text === JSON.stringify(base.value)) {
    return { ...end("unchanged", "The list changes nothing.", { ...counts, version }), etag };
  }
  const published = await publishText(refresh, text);
  if (!published.ok) return end("failed", published.error, counts);
  const { version: next, values_left: left } = published.value;
  if (left > 0) return end("partly", `Values still to be written: ${left}.`, counts);
  return { ...end("published", "The list is live.", { ...counts, version: next }), etag };
}

function emptyReport(url: string, nowMs: EpochMs): Omit<RefreshReport, "outcome" | "message"> {
  const { origin, pathname } = new URL(url);
  return {
    at: new Date(nowMs).toISOString(),
    url: `${origin}${pathname}`,
    version: null,
    imported: 0,
    refused: 0,
    models_added: 0,
    models_removed: 0,
    prices_changed: 0,
    held: [],
  };
}

function countsOf(base: Catalog, { catalog, imported, refused, held }: Import): Partial<RefreshReport> {
  const diff = diffCatalogs(base, catalog);
  return {
    imported,
    refused: refused.length,
    models_added: diff.modelsAdded.length,
    models_removed: diff.modelsRemoved.length,
    prices_changed: diff.prices.length,
    held: held.slice(0, HELD_SHOWN_MAX),
  };
}

interface List {
  /** Null: not changed since `etag`. */
  readonly text: string | null;
  readonly etag: string | null;
}

async function readList(refresh: RefreshPorts, etag: string | null): Promise<Result<List, string>> {
  const headers = { accept: "application/json", ...(etag === null ? {} : { "if-none-match": etag }) };
  const signal = AbortSignal.timeout(LIST_MS_MAX);
  const got = await fetchPublic(refresh.url, { headers, signal }, refresh.fetch, refresh.addresses);
  if (!got.ok) return err(got.error.message);
  const { response, url } = got.value;
  if (response.status === 304 && etag !== null) return ok({ text: null, etag });
  if (response.status !== 200) return err(`${url.host} answered with ${response.status}.`);
  const text = await textOf(response);
  if (text === null) return err(`The list broke off, or is longer than ${LIST_BYTES_MAX} bytes.`);
  return ok({ text, etag: response.headers.get("etag") });
}

/** Null when it breaks, takes too long, or is longer than LIST_BYTES_MAX. */
async function textOf(response: Response): Promise<string | null> {
  if (response.body === null) return "";
  try {
    const decoder = new TextDecoder();
    let text = "";
    let bytes = 0;
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > LIST_BYTES_MAX) return null;
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch {
    return null;
  }
}

const Published = z.looseObject({ data: z.looseObject({ version: z.string(), values_left: z.int() }) });

async function publishText(
  refresh: RefreshPorts,
  text: string,
): Promise<Result<z.infer<typeof Published>["data"], string>> {
  const response = await refresh.publish(text);
  const body = await response.text();
  const parsed = Published.safeParse(parseJson(body));
  return response.ok && parsed.success ? ok(parsed.data.data) : err(`Publishing was answered with ${response.status}.`);
}
