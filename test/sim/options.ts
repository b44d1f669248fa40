/** The simulation's command line. Unknown flags and bad numbers end it with one sentence. */
import { parseArgs } from "node:util";

export interface SimOptions {
  readonly seed: number;
  readonly jsonPath: string | undefined;
  /** Write docs/simulation.md. */
  readonly writes: boolean;
}

/** Parses `argv` (without node and script). Throws an Error whose message is for the reader. */
export function parseOptions(argv: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seed: { type: "string", default: "1" },
      json: { type: "string" },
      write: { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error("--seed must be a whole number, not negative");
  return { seed, jsonPath: values.json, writes: values.write };
}
