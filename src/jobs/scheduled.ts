/** What the clock starts: every job once, each by itself, so that one that fails keeps no other from its turn. */
import { archiveGenerations } from "./archive.ts";
import type { JobPorts } from "./ports.ts";
import { reconcile } from "./reconcile.ts";
import { refreshCatalog } from "./refresh-catalog.ts";

/** The ordered list of scheduled jobs. */
const JOBS = [
  { name: "reconciliation", run: reconcile },
  { name: "archive", run: archiveGenerations },
  { name: "catalog", run: refreshCatalog },
] as const;

/** Runs all jobs. Never rejects: what fails is logged and tried again with the next appointment. */
export async function runScheduled(ports: JobPorts): Promise<void> {
  for (const { name, run } of JOBS) {
    try {
      await run(ports);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      ports.log(JSON.stringify({ event: "job_failed", job: name, message }));
    }
  }
}
