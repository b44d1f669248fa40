/**
 * Publishing a catalog to a server, whole: a catalog with many new values is taken in parts, and the same is sent until
 * the last one is there.
 */
import * as z from "zod";
import { err, ok, type Result } from "../core/result.ts";
import type { AdminApi } from "./admin-api.ts";

/** Parts of one publication: each writes hundreds of values. */
const PARTS_MAX = 100;

const Reply = z.looseObject({
  data: z.looseObject({ version: z.string(), values_left: z.int().min(0).default(0) }),
});
export type PublishedCatalog = z.infer<typeof Reply>["data"];

/** @returns the server's last answer; an error sentence when it refuses, or does not come to an end. */
export async function publishCatalog(api: AdminApi, text: string): Promise<Result<PublishedCatalog, string>> {
  for (let part = 0; part < PARTS_MAX; part++) {
    const put = await api.call("PUT", "/admin/catalog", text);
    if (!put.ok) return put;
    const reply = Reply.safeParse(put.value);
    if (!reply.success) return err(`PUT /admin/catalog gave an unexpected answer: ${z.prettifyError(reply.error)}`);
    if (reply.data.data.values_left === 0) return ok(reply.data.data);
  }
  return err(`The catalog is not complete after ${PARTS_MAX} parts; publish it again to go on.`);
}
