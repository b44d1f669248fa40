/**
 * Which server a tool talks to: WAYPOST_URL with OPERATOR_KEY, else the one that runs from DATA_DIR on this machine,
 * whose launcher left its address there.
 */
import path from "node:path";
import { err, ok, type Result } from "../core/result.ts";
import { type AdminApi, createAdminApi } from "./admin-api.ts";
import { runningIn } from "./data-dir.ts";
import { readEnvironment } from "./environment.ts";
import { ROOT } from "./paths.ts";

export interface ChosenServer {
  readonly url: string;
  readonly api: AdminApi;
}

/** @returns an error sentence when no server is named and none runs here. */
export function chooseServer(): Result<ChosenServer, string> {
  const env = readEnvironment(process.env);
  const dataDir = path.resolve(ROOT, env["DATA_DIR"] ?? ".waypost");
  const running = runningIn(dataDir);
  const url = (env["WAYPOST_URL"] ?? running?.url)?.replace(/\/+$/, "");
  if (url === undefined) return err(`No Waypost runs from ${dataDir}; start one, or set WAYPOST_URL and OPERATOR_KEY.`);
  if (URL.parse(url) === null) return err("WAYPOST_URL must be a URL such as https://waypost.example.com.");
  const operatorKey = env["OPERATOR_KEY"] ?? (env["WAYPOST_URL"] === undefined ? running?.operatorKey : undefined);
  if (operatorKey === undefined) return err("Set OPERATOR_KEY to the operator key of the server at WAYPOST_URL.");
  return ok({ url, api: createAdminApi(url, operatorKey) });
}
