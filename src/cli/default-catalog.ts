/**
 * Publishing the default catalog to a server without taking the operator's own from it: what this folder published last
 * is remembered, and something else that is live stays live, through restarts and upgrades.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { ok, type Result } from "../core/result.ts";
import type { AdminApi } from "./admin-api.ts";
import type { DataDir } from "./data-dir.ts";
import { publishCatalog } from "./publish-catalog.ts";

/** What publishing makes of a text; a Waypost that makes more of it has another number here, and publishes it anew. */
const FORM = "2";

const CatalogReply = z.looseObject({ data: z.looseObject({ version: z.string() }) });

export interface DefaultCatalog {
  /** As JSON text. */
  readonly text: string;
  readonly dataDir: Pick<DataDir, "memory" | "remember">;
  /** What to do about a live catalog when this folder has never published one. */
  readonly unknown: "keep" | "replace";
}

/**
 * Publishes the default catalog when it is a new one.
 * @returns whether another catalog is live and was kept; an error sentence when the server refuses.
 */
export async function publishDefault(
  api: AdminApi,
  { text, dataDir, unknown }: DefaultCatalog,
): Promise<Result<boolean, string>> {
  const hash = createHash("sha256").update(FORM).update(text).digest("hex");
  const last = dataDir.memory().catalog;
  if (last !== undefined || unknown === "keep") {
    const live = await api.call("GET", "/admin/catalog");
    if (!live.ok && !live.error.includes("answered with 404")) return live;
    const version = live.ok ? CatalogReply.safeParse(live.value).data?.data.version : undefined;
    if (version !== undefined && version !== last?.version) return ok(true);
    if (version !== undefined && hash === last?.hash) return ok(false);
  }
  const put = await publishCatalog(api, text);
  if (!put.ok) return put;
  dataDir.remember({ ...dataDir.memory(), catalog: { hash, version: put.value.version } });
  return ok(false);
}
