/**
 * What a server needs before its first request, done through its own API so that the launcher knows no table: the
 * default catalog published, an account with credits and a key. Safe to repeat after a kill at any point: at worst an
 * empty account is left over.
 */
import * as z from "zod";
import { err, ok, type Result } from "../core/result.ts";
import { type AdminApi, createAdminApi } from "./admin-api.ts";
import type { DataDir, Memory } from "./data-dir.ts";
import { publishDefault } from "./default-catalog.ts";

/** Credits of the first account, in USD. */
const FIRST_CREDITS_USD = "100";

const AccountReply = z.looseObject({
  data: z.looseObject({ id: z.string() }),
  key: z.string(),
  management_key: z.string(),
});

export interface FirstRun {
  readonly url: string;
  readonly operatorKey: string;
  readonly dataDir: DataDir;
  /** The default catalog as JSON text. */
  readonly catalog: string;
}

export interface Prepared {
  /** A key with credits. */
  readonly key: string;
  /** Another catalog than ours is live. */
  readonly keepsOwnCatalog: boolean;
}

/** Publishes the catalog when it is a new one and makes the first account. @returns an error sentence. */
export async function prepare(first: FirstRun): Promise<Result<Prepared, string>> {
  const api = createAdminApi(first.url, first.operatorKey);
  const published = await publishDefault(api, { text: first.catalog, dataDir: first.dataDir, unknown: "replace" });
  if (!published.ok) return published;
  const { dataDir } = first;
  let { account } = dataDir.memory();
  if (account !== undefined && !(await isKnown(first.url, account.key))) account = undefined;
  if (account === undefined) {
    const made = await makeAccount(api);
    if (!made.ok) return made;
    account = made.value;
    dataDir.remember({ ...dataDir.memory(), account });
  }
  if (!account.hasCredits) {
    const granted = await api.call("POST", `/admin/accounts/${account.id}/credits`, {
      amount: FIRST_CREDITS_USD,
      idempotency_key: `first-credits-${account.id}`,
      reason: "first credits, granted by npm start",
    });
    if (!granted.ok) return granted;
    dataDir.remember({ ...dataDir.memory(), account: { ...account, hasCredits: true } });
  }
  return ok({ key: account.key, keepsOwnCatalog: published.value });
}

/** False when the key is refused: WAYPOST_SECRET is another one now, or the storage was emptied. */
async function isKnown(url: string, key: string): Promise<boolean> {
  const answer = await createAdminApi(url, key).call("GET", "/key");
  return answer.ok || !answer.error.includes("answered with 401");
}

async function makeAccount(api: AdminApi): Promise<Result<NonNullable<Memory["account"]>, string>> {
  const made = await api.call("POST", "/admin/accounts", { name: "first" });
  if (!made.ok) return made;
  const reply = AccountReply.safeParse(made.value);
  if (!reply.success) return err(`POST /admin/accounts gave an unexpected answer: ${z.prettifyError(reply.error)}`);
  const { data, key, management_key: managementKey } = reply.data;
  return ok({ id: data.id, key, managementKey, hasCredits: false });
}
