/**
 * From samples to the table: medians over the rounds, ratios and differences taken within each round, against the
 * pass-through of the same round. A goal is compared, never enforced; only wrong answers and wrong money fail a run.
 */
import type { Measured } from "./measured.ts";
import type { Staying } from "./memory.ts";
import type { Operations } from "./operations.ts";
import { median } from "./numbers.ts";
import type { CellName, Sample } from "./rounds.ts";
import type { Scale } from "./scale.ts";

export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly goal: string;
  /** By target name; null: not measured. */
  readonly values: Readonly<Record<string, number | null>>;
}

const BASE = "passthrough";
const BUFFERED = "buffered, 32 connections";
const RATIO = "x pass-through";
/** No proxy at all: the floor of delays. */
export const DIRECT = "direct";

/** The rows of the table for `targets`, which are in the order of the columns. */
export function rowsOf(
  targets: readonly string[],
  samples: readonly Sample[],
  staying: ReadonlyMap<string, Staying>,
  operations: Operations | null = null,
): readonly Row[] {
  const perRound = (target: string, cell: CellName): readonly Measured[] =>
    samples.filter((sample) => sample.target === target && sample.cell === cell).map(({ measured }) => measured);
  const row = (what: string, unit: string, goal: string, valueOf: (target: string) => number | null): Row => ({
    what,
    unit,
    goal,
    values: Object.fromEntries(targets.map((target) => [target, valueOf(target)])),
  });
  const middle = (cell: CellName, pick: (measured: Measured) => number) => (target: string) =>
    orNull(median(perRound(target, cell).map(pick)));
  /** Each round's value beside the pass-through's of that round. */
  const beside =
    (cell: CellName, pick: (measured: Measured) => number, join: (value: number, base: number) => number) =>
    (target: string): number | null => {
      const base = perRound(BASE, cell);
      return orNull(
        median(
          perRound(target, cell).flatMap((measured, round) => {
            const beneath = base[round];
            return beneath === undefined ? [] : [join(pick(measured), pick(beneath))];
          }),
        ),
      );
    };
  const ratio = (value: number, base: number): number => value / base;
  const difference = (value: number, base: number): number => value - base;
  const speed = (measured: Measured): number => measured.perSecond;
  const p50 = (measured: Measured): number => measured.p50Ms;
  const p99 = (measured: Measured): number => measured.p99Ms;
  const stay = (pick: (measured: Staying) => number | null) => (target: string) => {
    const found = staying.get(target);
    return found === undefined ? null : pick(found);
  };
  const counted = (pick: (found: Operations) => number) => (target: string) =>
    operations === null || target !== "waypost" ? null : pick(operations);
  return [
    row(BUFFERED, RATIO, ">= 0.85", beside("buffered", speed, ratio)),
    row(BUFFERED, "answers/s", "", middle("buffered", speed)),
    row("streamed, 200 chunks, 16 connections", RATIO, ">= 0.90", beside("streamed", speed, ratio)),
    row("streamed, 200 chunks, 16 connections", "streams/s", "", middle("streamed", speed)),
    row("slow stream alone: event delay p50", "ms", "<= 1", middle("delay-alone", p50)),
    row("slow stream alone: event delay p99", "ms", "<= 3", middle("delay-alone", p99)),
    row("among 50 slow streams: event delay p50", "ms", "", middle("delay-among-50", p50)),
    row("among 50 slow streams: event delay p99", "ms", "<= 5", middle("delay-among-50", p99)),
    row("buffered, 1 connection: first byte p50, added", "ms", "<= 0.4", beside("first-byte", p50, difference)),
    row("buffered, 1 connection: first byte p50", "ms", "", middle("first-byte", p50)),
    row("buffered, 1 connection: first byte p99", "ms", "", middle("first-byte", p99)),
    row("streamed, 1 connection: first event p50, added", "ms", "<= 0.4", beside("first-event", p50, difference)),
    row("streamed, 1 connection: first event p50", "ms", "", middle("first-event", p50)),
    row(
      "memory per open stream (of 200)",
      "KiB",
      "<= 400",
      stay((found) => found.perStreamKib),
    ),
    row(
      "1,000 open streams: complete",
      "streams",
      "1000",
      stay((found) => found.manyStreams.served),
    ),
    row(
      "1,000 open streams: event delay p99",
      "ms",
      "",
      stay((found) => found.manyStreams.p99Ms),
    ),
    row(
      "after 1,000 short streams: resident",
      "MiB",
      "",
      stay((found) => found.afterShortMib[0]?.mib ?? null),
    ),
    row(
      "after 10,000 short streams: resident",
      "MiB",
      "no higher",
      stay((found) => found.afterShortMib[1]?.mib ?? null),
    ),
    row(
      "stalled reader of 50 MiB: memory grew",
      "MiB",
      "<= 2",
      stay((found) => found.stalled.peakGrowthMib),
    ),
    row(
      "stalled reader: upstream got rid of",
      "MiB",
      "stops",
      stay((found) => found.stalled.writtenMib),
    ),
    row(
      "stalled reader: upstream stopped",
      "1 = yes",
      "1",
      stay((found) => Number(found.stalled.hasStopped)),
    ),
    row(
      "stalled reader leaves: upstream closed after",
      "ms",
      "<= 100",
      stay((found) => found.stalled.closedAfterMs),
    ),
    row(
      "request with a 24 MB image: memory grew",
      "MiB",
      "<= 80",
      stay((found) => (found.imageStatus.includes(" 200") ? found.imagePeakMib : null)),
    ),
    row(
      "object calls awaited, warm (most of 20)",
      "calls",
      "0",
      counted(({ awaitedWarm }) => Math.max(...awaitedWarm)),
    ),
    row(
      "object calls awaited, cold",
      "calls",
      "1",
      counted((found) => found.awaitedCold),
    ),
    row(
      "object calls awaited, isolate's first",
      "calls",
      "",
      counted((found) => found.awaitedFirst),
    ),
    row(
      "platform operations, bench load",
      "$/million",
      "<= 3",
      counted((found) => found.atBenchLoad.dollarsPerMillion),
    ),
    row(
      "platform operations, 5 requests/s",
      "$/million",
      "",
      counted((found) => found.atFivePerSecond.dollarsPerMillion),
    ),
  ];
}

/** The rows of what only Waypost can be asked. `ratio`: its buffered answers beside the pass-through's; null: unknown. */
export function scaleRows(scale: Scale, ratio: number | null): readonly Row[] {
  const lost = (factor: number): number => (ratio === null ? Number.NaN : ratio - ratio / factor);
  const row = (what: string, unit: string, goal: string, value: number): Row => ({
    what,
    unit,
    goal,
    values: { waypost: orNull(value) },
  });
  return [
    row("processor time per buffered answer", "ms", "", scale.baseMs),
    row("the same beside 1,000 models (10)", "x", "<= 1.10", scale.models1000),
    row("the same with 60 providers of the model (1)", "x", "<= 1.10", scale.providers60),
    row("buffered ratio lost beside 1,000 models", RATIO, "< 0.03", lost(scale.models1000)),
    row("buffered ratio lost with 60 providers of the model", RATIO, "< 0.03", lost(scale.providers60)),
    row("the same from 1,000 accounts in turn (1)", "x", "<= 1.10", scale.accounts1000),
    row("GET /models, 1,000 models", "x bare Worker", ">= 0.80", scale.listing.ratio),
    row("GET /models, 1,000 models", "answers/s", "", scale.listing.perSecond),
    row("GET /models: processor time beside the bare Worker's", "x", "", scale.listing.processorRatio),
  ];
}

/** Of the rows, the buffered ratio that Waypost reached; null: not measured. */
export function bufferedRatio(rows: readonly Row[]): number | null {
  return rows.find(({ what, unit }) => what === BUFFERED && unit === RATIO)?.values["waypost"] ?? null;
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The table as text, one line a row. */
export function tableText(targets: readonly string[], rows: readonly Row[]): string {
  const header = ["", "unit", "goal", ...targets];
  const lines = rows.map((row) => [
    row.what,
    row.unit,
    row.goal,
    ...targets.map((target) => numberText(row.values[target] ?? null)),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map((line) => line[column]?.length ?? 0)));
  const text = (line: readonly string[]): string =>
    line
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [text(header), text(widths.map((width) => "-".repeat(width))), ...lines.map(text)].join("\n");
}

function numberText(value: number | null): string {
  if (value === null) return "-";
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100
    ? value.toFixed(0)
    : value.toFixed(Math.abs(value) >= 10 ? 1 : Math.abs(value) < 0.1 ? 3 : 2);
}
