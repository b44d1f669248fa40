/** The benchmark's command line. Unknown flags and bad numbers end it with one sentence. */
import { parseArgs } from "node:util";
import { CATALOG_MODELS, UPSTREAM_MODELS, type ModelNames } from "./target.ts";

export const TARGET_NAMES = ["passthrough", "portkey", "custom", "waypost"] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export interface Options {
  readonly rounds: number;
  /** Length of a throughput cell, after its warm-up. */
  readonly runMs: number;
  readonly only: readonly TargetName[];
  /** Leaves out memory, the stalled reader, the thousand streams, growth and operations. */
  readonly isQuick: boolean;
  /** Counts operations and does nothing else. */
  readonly countsOnly: boolean;
  readonly upstreamPort: number;
  readonly customUrl: string | undefined;
  readonly customWorker: string | undefined;
  readonly customHeaders: Readonly<Record<string, string>>;
  readonly customModels: ModelNames;
  readonly jsonPath: string | undefined;
}

/** Parses `argv` (without node and script). Throws an Error whose message is for the reader. */
export function parseOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "3" },
      only: { type: "string" },
      "no-portkey": { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      operations: { type: "boolean", default: false },
      "upstream-port": { type: "string", default: "0" },
      "custom-url": { type: "string" },
      "custom-worker": { type: "string" },
      "custom-header": { type: "string", multiple: true, default: [] },
      "custom-models": { type: "string", default: "upstream" },
      json: { type: "string" },
    },
  });
  const isCustom = values["custom-url"] !== undefined || values["custom-worker"] !== undefined;
  const wanted = values.only === undefined ? TARGET_NAMES : values.only.split(",").map(targetName);
  return {
    rounds: numberIn("--rounds", values.rounds, 1, 100),
    runMs: numberIn("--seconds", values.seconds, 0.2, 60) * 1_000,
    only: wanted.filter((name) => (name !== "custom" || isCustom) && (name !== "portkey" || !values["no-portkey"])),
    isQuick: values.quick,
    countsOnly: values.operations,
    upstreamPort: numberIn("--upstream-port", values["upstream-port"], 0, 65_535),
    customUrl: values["custom-url"],
    customWorker: values["custom-worker"],
    customHeaders: Object.fromEntries(values["custom-header"].map(header)),
    customModels: values["custom-models"] === "catalog" ? CATALOG_MODELS : UPSTREAM_MODELS,
    jsonPath: values.json,
  };
}

function targetName(text: string): TargetName {
  const found = TARGET_NAMES.find((name) => name === text);
  if (found === undefined) throw new Error(`--only takes ${TARGET_NAMES.join(", ")}, not ${text}`);
  return found;
}

function numberIn(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max)) {
    throw new Error(`${flag} must be a number from ${min} to ${max}`);
  }
  return value;
}

function header(text: string): [string, string] {
  const at = text.indexOf(":");
  if (at < 1) throw new Error(`--custom-header takes "name: value", not ${text}`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}
