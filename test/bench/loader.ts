/** This process's side of the load generator: one job out, its measurement back. */
import { fork } from "node:child_process";
import path from "node:path";
import type { Job } from "./load.ts";
import type { Measured } from "./measured.ts";

export interface Loader {
  run(job: Job): Promise<Measured>;
  stop(): void;
}

/** Starts the load generator. Its `run` rejects if the process dies. */
export function startLoader(): Loader {
  const child = fork(path.join(import.meta.dirname, "load.ts"), { stdio: "inherit" });
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        const died = (): void => reject(new Error("the load generator died"));
        child.once("exit", died);
        // The only messages that load.ts sends are measurements.
        child.once("message", (measured) => {
          child.off("exit", died);
          resolve(measured as Measured);
        });
        child.send(job);
      }),
    stop: () => {
      if (child.connected) child.disconnect();
    },
  };
}
