/** A soak's result for a reader, as text and as JSON. Amounts are nano-dollars, as decimal strings in JSON. */
import type { How } from "./client.ts";
import type { Listed } from "./judge.ts";
import type { SoakOptions } from "./options.ts";
import type { SoakResult } from "./soak.ts";

/** Violations and listed requests that the text shows; JSON has them all. */
const SHOWN = 20;

/** Nothing is wrong: not in the books, not in the audit. */
export function isClean({ verdict, audit, isAuditCommandOk }: SoakResult, waitsForHolds: boolean): boolean {
  // Leases of isolates that were killed wait for their settles for a quarter of an hour; the audit watches their ends.
  const isEnded = !waitsForHolds || audit.open_holds === 0;
  return verdict.violations.length === 0 && audit.ok && audit.outbox === 0 && isAuditCommandOk && isEnded;
}

export function reportText(options: SoakOptions, result: SoakResult): string {
  const { verdict, kills, audit, seen } = result;
  const back = kills.map(({ atMs, restartedAtMs }) => restartedAtMs - atMs);
  const lines = [
    `Soak, seed ${options.seed}: ${(result.trafficMs / 60_000).toFixed(1)} minutes, ${options.lanes} lanes, ${kills.length} kills` +
      (back.length === 0 ? "" : `, back after ${Math.min(...back)} to ${Math.max(...back)} ms`),
    `  ${seen.length} requests, ${result.attemptCount} attempts upstream: ${countsText(howCounts(result))}`,
    `  refusals: ${countsText(statusCounts(result))}`,
    `  faults: ${countsText(result.faults)}`,
    `  ${result.rowCount} generations booked; ${verdict.exactCount} at exactly the client's sum, ${verdict.exactNusd} nano-dollars;` +
      ` ${verdict.estimatedCount} counted by the server, ${verdict.estimatedNusd} nano-dollars`,
    `  ${result.creditCount} credits given meanwhile`,
    `  younger than 250 ms at a kill: ${listText(verdict.young)}`,
    `  written off, sent upstream while the gate refused: ${verdict.writtenOffCount}, ${verdict.writtenOffNusd} nano-dollars of the operator's`,
    `  interrupted: ${listText(verdict.interrupted)}`,
    `  server memory before kills and at the end, MiB: ${result.serverRssMib.join(" ")}`,
    `  audit: ${audit.ok ? "ok" : "WRONG"}, open holds ${audit.open_holds}, open leases ${audit.open_leases}, outbox ${audit.outbox};` +
      ` npm run audit ${result.isAuditCommandOk ? "ok" : "FAILED"}`,
    ...audit.checks.filter(({ ok }) => !ok).map(({ name, detail }) => `    WRONG ${name}: ${detail}`),
    ...verdict.violations.slice(0, SHOWN).map((violation) => `  WRONG ${violation}`),
    ...(verdict.violations.length > SHOWN ? [`  ... and ${verdict.violations.length - SHOWN} more`] : []),
    isClean(result, options.waitsForHolds) ? "The books are right." : "The books are WRONG.",
  ];
  return lines.join("\n");
}

export function reportJson(options: SoakOptions, result: SoakResult): string {
  const { seen: _, ...rest } = result;
  const body = {
    ok: isClean(result, options.waitsForHolds),
    options,
    requests: result.seen.length,
    hows: howCounts(result),
    refusals: statusCounts(result),
    ...rest,
  };
  return JSON.stringify(body, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

function howCounts({ seen }: SoakResult): Readonly<Record<How, number>> {
  const counts = { whole: 0, broken: 0, left: 0, cut: 0, refused: 0 };
  for (const { how } of seen) counts[how]++;
  return counts;
}

function statusCounts({ seen }: SoakResult): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { how, status } of seen) if (how === "refused") counts[String(status)] = (counts[String(status)] ?? 0) + 1;
  return counts;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function listText(listed: readonly Listed[]): string {
  const booked = listed.filter(({ bookedNusd }) => bookedNusd !== null);
  const sum = booked.reduce((total, { bookedNusd }) => total + (bookedNusd ?? 0n), 0n);
  const lost = listed.filter(({ bookedNusd, costNusd }) => bookedNusd === null && costNusd !== null);
  const lostSum = lost.reduce((total, { costNusd }) => total + (costNusd ?? 0n), 0n);
  return `${listed.length}; ${booked.length} of them booked, ${sum} nano-dollars; ${lost.length} told by the upstream and not booked, ${lostSum}`;
}
