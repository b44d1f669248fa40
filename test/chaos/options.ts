/** The soak's command line. Unknown flags and bad numbers end it with one sentence. */
import { parseArgs } from "node:util";

export interface SoakOptions {
  readonly seed: number;
  /** How long traffic is sent; starting, ending and checking come on top. */
  readonly runMs: number;
  /** From one kill to the next, give or take a tenth. */
  readonly killEveryMs: number;
  /** Clients that each have one request open at most. */
  readonly lanes: number;
  /** Wait at the end until every hold has ended by itself; else only what must be at once is checked. */
  readonly waitsForHolds: boolean;
  readonly script: "npm start" | null;
  readonly jsonPath: string | undefined;
}

/** Parses `argv` (without node and script). Throws an Error whose message is for the reader. */
export function parseOptions(argv: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "10" },
      "kill-every": { type: "string", default: "60" },
      lanes: { type: "string", default: "24" },
      json: { type: "string" },
    },
  });
  return {
    seed: numberIn("--seed", values.seed, 0, 2 ** 31),
    runMs: numberIn("--minutes", values.minutes, 0.1, 240) * 60_000,
    killEveryMs: numberIn("--kill-every", values["kill-every"], 5, 3_600) * 1_000,
    lanes: numberIn("--lanes", values.lanes, 3, 200),
    waitsForHolds: true,
    script: "npm start",
    jsonPath: values.json,
  };
}

function numberIn(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max)) {
    throw new Error(`${flag} must be a number from ${min} to ${max}`);
  }
  return value;
}
