/** Opens what stands at an address that a tenant names, through the guard of such addresses. */
import { fetchPublic } from "../core/public-url.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { OpenedMedia } from "./inline-media.ts";
import type { Fetch } from "./ports.ts";

/** @returns a sentence for the client when there is nothing to be had; it names the host, never a path or a query. */
export async function openPublicMedia(
  url: string,
  signal: AbortSignal,
  fetch: Fetch,
): Promise<Result<OpenedMedia, string>> {
  const request = { headers: { accept: "image/*,video/*,application/pdf,*/*;q=0.5" }, signal };
  const fetched = await fetchPublic(url, request, fetch);
  if (!fetched.ok) return err(`Media could not be fetched. ${fetched.error.message}`);
  const { response, url: last } = fetched.value;
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel().catch(() => undefined);
    return err(`Media could not be fetched. ${last.host} answered ${response.status}.`);
  }
  const type = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  // Packed, its length says nothing of the media's.
  const isPacked = response.headers.get("content-encoding") !== null;
  const declared = isPacked ? null : response.headers.get("content-length");
  const bytes = declared !== null && /^\d{1,15}$/.test(declared) ? Number(declared) : null;
  return ok({ type, bytes, body: response.body as ReadableStream<Uint8Array> });
}
