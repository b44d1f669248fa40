/**
 * What `npm start` was asked for: environment variables, parsed once. Each fault is one sentence that names the variable
 * and what it should be; the value of a secret is never repeated.
 */
import path from "node:path";
import { publicUrl } from "../core/public-url.ts";
import { err, ok, type Result } from "../core/result.ts";
import { readPaymentSettings } from "../ledger/payment-settings.ts";
import type { Environment } from "./environment.ts";
import { ROOT } from "./paths.ts";

/** Shortest accepted operator key and Waypost secret, in characters. */
const SECRET_CHARS_MIN = 16;
/** As often as the cron trigger of wrangler.toml. */
const SCHEDULE_S = 300;
const DEADLINES: readonly string[] = ["HEADERS", "FIRST_TOKEN", "IDLE", "TOTAL"].map(
  (phase) => `WAYPOST_DEADLINE_${phase}_MS`,
);

export interface StartOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly dataDir: string;
  /** Null: made at the first start and kept in the data folder. */
  readonly operatorKey: string | null;
  readonly secret: string | null;
  /** Believe the place that a proxy in front states. */
  readonly trustsPlaceHeader: boolean;
  /** Databases of the books beside the first, such as `gl2`. */
  readonly shards: readonly string[];
  /** Which of them take new accounts; null: the newest of each home. */
  readonly newAccounts: string | null;
  /** Seconds between runs of the scheduled jobs; 0: never. */
  readonly scheduleS: number;
  /** Print the worker's log lines instead of keeping them in the data folder. */
  readonly printsLog: boolean;
  /** A file to serve in the production bundle's place: the benchmark's, which counts; null: the bundle. */
  readonly bundlePath: string | null;
}

/** @returns an error sentence for the first variable that is malformed. */
export function readStartOptions(env: Environment): Result<StartOptions, string> {
  const port = readPort(env["PORT"] ?? "8787");
  if (port === undefined) return err(`PORT must be a whole number from 0 to 65535, not "${env["PORT"]}".`);
  const host = env["HOST"] ?? "127.0.0.1";
  if (!/^[a-z0-9.:-]{1,253}$/i.test(host)) return err(`HOST must be an IP address or a host name, not "${host}".`);
  for (const name of ["OPERATOR_KEY", "WAYPOST_SECRET", "WAYPOST_SECRET_PREVIOUS"]) {
    const fault = secretFault(name, env[name]);
    if (fault !== undefined) return err(fault);
  }
  for (const name of ["TRUST_PLACE_HEADER", "WAYPOST_LOG", "WAYPOST_PRIVATE_UPSTREAMS"]) {
    const value = env[name];
    if (value !== undefined && value !== "0" && value !== "1") return err(`${name} must be 1 or 0, not "${value}".`);
  }
  const fault =
    deadlineFault(env) ??
    byokFault(env) ??
    shardFault(env) ??
    scheduleFault(env) ??
    listFault(env) ??
    paymentFault(env);
  if (fault !== undefined) return err(fault);
  return ok({
    host: host === "localhost" ? "127.0.0.1" : host,
    port,
    dataDir: path.resolve(ROOT, env["DATA_DIR"] ?? ".waypost"),
    operatorKey: env["OPERATOR_KEY"] ?? null,
    secret: env["WAYPOST_SECRET"] ?? null,
    trustsPlaceHeader: env["TRUST_PLACE_HEADER"] === "1",
    shards: wordsOf(env["SHARDS"]),
    newAccounts: env["NEW_ACCOUNTS"] ?? null,
    scheduleS: Number(env["WAYPOST_SCHEDULE_S"] ?? SCHEDULE_S),
    printsLog: env["WAYPOST_LOG"] === "1",
    bundlePath: env["WAYPOST_BUNDLE"] ?? null,
  });
}

/** The worker reads these itself; a deadline that it would not know or understand is found here. */
function deadlineFault(env: Environment): string | undefined {
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("WAYPOST_DEADLINE_")) continue;
    if (!DEADLINES.includes(name)) return `${name} is not a deadline; known are ${DEADLINES.join(", ")}.`;
    if (!/^[1-9]\d{0,8}$/.test(value)) return `${name} must be a whole number of milliseconds from 1, not "${value}".`;
  }
  return undefined;
}

/** The gates read these themselves, and take what they do not understand for unset. */
function byokFault(env: Environment): string | undefined {
  const bps = env["WAYPOST_BYOK_FEE_BPS"] ?? "0";
  if (!/^\d{1,5}$/.test(bps) || Number(bps) > 10_000) {
    return `WAYPOST_BYOK_FEE_BPS must be a whole number of basis points from 0 to 10000, not "${bps}".`;
  }
  const free = env["WAYPOST_BYOK_FREE_USD_MONTHLY"] ?? "0";
  if (/^\d{1,9}$/.test(free)) return undefined;
  return `WAYPOST_BYOK_FREE_USD_MONTHLY must be a whole number of dollars, not "${free}".`;
}

/** The job would say so in its report, where nobody may look. */
function listFault(env: Environment): string | undefined {
  const text = env["WAYPOST_CATALOG_URL"];
  if (text === undefined) return undefined;
  const url = publicUrl(text, { allowsPrivate: env["WAYPOST_PRIVATE_UPSTREAMS"] === "1" });
  return url.ok ? undefined : `WAYPOST_CATALOG_URL ${url.error}.`;
}

/** The worker reads these itself, and would refuse every request. */
function paymentFault(env: Environment): string | undefined {
  const settings = readPaymentSettings((name) => env[name]);
  return settings.ok ? undefined : settings.error;
}

/** A new account in a shard without a database would be refused: that is found here. */
function shardFault(env: Environment): string | undefined {
  const shards = wordsOf(env["SHARDS"]);
  const odd = shards.find((name, at) => !/^(gl[2-9]|(eu|us)[1-9])$/.test(name) || shards.indexOf(name) !== at);
  if (odd !== undefined) return `SHARDS must name further databases once each, such as "gl2 eu2", not "${odd}".`;
  const known = new Set(["gl1", "eu1", "us1", ...shards]);
  const unknown = wordsOf(env["NEW_ACCOUNTS"]).find((name) => !known.has(name));
  if (unknown !== undefined) return `NEW_ACCOUNTS must name databases that are there (SHARDS), not "${unknown}".`;
  return undefined;
}

function scheduleFault(env: Environment): string | undefined {
  for (const [name, least] of [
    ["WAYPOST_SCHEDULE_S", 0],
    ["WAYPOST_RECONCILE_EVERY_S", 1],
    ["WAYPOST_CATALOG_EVERY_S", 1],
  ] as const) {
    const text = env[name] ?? "1";
    if (!/^\d{1,6}$/.test(text) || Number(text) < least) {
      return `${name} must be a whole number of seconds from ${least} to 999999, not "${text}".`;
    }
  }
  return undefined;
}

function wordsOf(text: string | undefined): readonly string[] {
  return (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
}

function readPort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

function secretFault(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value.length < SECRET_CHARS_MIN)
    return `${name} must have at least ${SECRET_CHARS_MIN} characters, it has ${value.length}.`;
  // It travels in a header.
  if (!/^[\x21-\x7e]+$/.test(value)) return `${name} must be printable ASCII without spaces.`;
  return undefined;
}
