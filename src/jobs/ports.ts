/** What scheduled jobs need of the outside; `deps.ts` fills it. */
import type { CatalogStore } from "../catalog/publish.ts";
import type { Clock } from "../core/clock.ts";
import type { AddressRule } from "../core/public-url.ts";
import type { AuditPorts } from "../gates/audit.ts";
import type { Fetch } from "../router/ports.ts";

export interface JobPorts extends AuditPorts {
  readonly clock: Clock;
  readonly log: (line: string) => void;
  /** A reconciliation begins this long after the one before began. */
  readonly reconcileEveryMs: number;
  /** Null: the catalog is refreshed by hand alone. */
  readonly refresh: RefreshPorts | null;
}

/** What a refresh of the catalog from a list needs. */
export interface RefreshPorts {
  /** Of the list; it passes the guard with each fetch. */
  readonly url: string;
  readonly everyMs: number;
  /** The network for addresses that others name. */
  readonly fetch: Fetch;
  readonly addresses: AddressRule;
  readonly store: CatalogStore;
  /** Sends a catalog, as JSON text, through the operator's own `PUT /admin/catalog`. */
  readonly publish: (text: string) => Promise<Response>;
}

/** No run takes longer: the platform lets a scheduled event go on for 15 minutes, and the next one comes after five. */
export const RUN_MS_MAX = 60_000;
