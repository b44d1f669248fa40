/** Runs another program and says how it ended. Output is inherited, or collected when `quiet`. */
import { spawn } from "node:child_process";
import { ROOT } from "./paths.ts";

/** Keeps wrangler from asking, phoning home and taking a developer's secrets for the bundle's. */
export const QUIET_WRANGLER: Readonly<Record<string, string>> = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CI: "1",
  NO_COLOR: "1",
};

export interface Finished {
  /** Exit code; 1 when a signal ended it or it could not be started. */
  readonly code: number;
  /** Both streams in order of arrival; "" unless `quiet`. */
  readonly output: string;
}

export interface RunOptions {
  readonly quiet?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Runs `program` in the checkout and resolves when it has ended; never rejects. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const out = options.quiet === true ? "pipe" : "inherit";
    const child = spawn(program, args, {
      cwd: ROOT,
      env: { ...process.env, ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", out, out],
    });
    const pieces: Buffer[] = [];
    child.stdout?.on("data", (piece: Buffer) => pieces.push(piece));
    child.stderr?.on("data", (piece: Buffer) => pieces.push(piece));
    child.on("error", (error) => resolve({ code: 1, output: `${Buffer.concat(pieces).toString()}${error.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(pieces).toString() }));
    if (options.input !== undefined) child.stdin?.end(options.input);
  });
}
