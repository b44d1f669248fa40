/** What scheduled jobs need of the outside; `deps.ts` fills it. */
import type { Clock } from "../core/clock.ts";
import type { AuditPorts } from "../gates/audit.ts";

export interface JobPorts extends AuditPorts {
  readonly clock: Clock;
  readonly log: (line: string) => void;
  /** A reconciliation begins this long after the one before began. */
  readonly reconcileEveryMs: number;
}

/** No run takes longer: the platform lets a scheduled event go on for 15 minutes, and the next one comes after five. */
export const RUN_MS_MAX = 60_000;
