/**
 * Every dialect against every wire family, feature by feature: any client reaches any provider, and nothing is lost on the
 * way. A cell is proved (cell.ts) or empty for a reason that stands in the table; KNOWN are cells that do not hold yet:
 * one that begins to hold fails as well, so that the list stays true.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ADAPTERS } from "../../../src/providers/registry.ts";
import { proveCell, proveSwitch, type Cell } from "./cell.ts";
import { CLIENTS } from "./clients.ts";
import { anthropicWire } from "./wire-anthropic.ts";
import { bedrockWire } from "./wire-bedrock.ts";
import { cohereWire } from "./wire-cohere.ts";
import { geminiWire, vertexWire } from "./wire-gemini.ts";
import { openAiWire } from "./wire-openai.ts";
import { replicateWire } from "./wire-replicate.ts";
import { responsesWire } from "./wire-responses.ts";
import { FEATURES, type Feature, type Wire } from "./words.ts";

const WIRES: readonly Wire[] = [
  openAiWire,
  responsesWire,
  anthropicWire,
  geminiWire,
  vertexWire,
  bedrockWire,
  cohereWire,
  replicateWire,
];

/** Cells that do not hold, by dialect, family and feature, with the reason. */
const KNOWN: Readonly<Record<string, string>> = {};

interface Row {
  readonly name: string;
  readonly cells: readonly (Cell & { readonly name: string; readonly known: string | undefined })[];
}

const rows: readonly Row[] = CLIENTS.flatMap((client) =>
  ADAPTERS.flatMap((adapter) => {
    const wire = WIRES.find((one) => one.adapter === adapter.name);
    if (wire === undefined) return [];
    const name = `${client.dialect.name} > ${adapter.name}`;
    const isEmpty = (feature: Feature): boolean => (client.cannot[feature] ?? wire.untold?.[feature]) !== undefined;
    const cells = FEATURES.filter((feature) => !isEmpty(feature)).map((feature) => {
      const full = `${name}: ${feature}`;
      return { client, wire, adapter, feature, name: full, known: KNOWN[full] };
    });
    return [{ name, cells }];
  }),
);

const marks = new Map<string, string>();

describe.each(rows)("$name", ({ cells }) => {
  test.each(cells)("$feature", (cell) => {
    marks.set(cell.name, "FAIL");
    if (cell.known === undefined) proveCell(cell);
    else expect(() => proveCell(cell), `it holds now: take it out of KNOWN (${cell.known})`).toThrow();
    marks.set(cell.name, cell.known === undefined ? (cell.wire.refuses[cell.feature] === undefined ? "x" : "r") : "!");
  });
});

test("what is known not to hold is named as it is", () => {
  const names = new Set(rows.flatMap(({ cells }) => cells.map(({ name }) => name)));
  expect(Object.keys(KNOWN).filter((name) => !names.has(name))).toEqual([]);
});

test("every dialect of conversations has its client in the matrix", () => {
  const root = path.resolve(import.meta.dirname, "../../../src/dialects");
  const sources = readdirSync(root).map((file) => readFileSync(path.join(root, file), "utf8"));
  const names = sources
    .filter((source) => source.includes("satisfies Dialect") && !source.includes("taskDialect"))
    .flatMap((source) => [...source.matchAll(/^ {2}name: "([a-z-]+)",$/gm)].map(([, name]) => name));
  expect(names.toSorted()).toEqual(CLIENTS.map(({ dialect }) => dialect.name).toSorted());
});

test("every adapter of the registry has its words in the matrix", () => {
  const spoken = new Set(WIRES.map(({ adapter }) => adapter));
  expect(ADAPTERS.map(({ name }) => name).filter((name) => !spoken.has(name))).toEqual([]);
});

const switches = rows.flatMap(({ name, cells }) =>
  cells
    .filter(({ feature, wire }) => feature === "reasoning" && wire.signs !== null)
    .flatMap((cell) =>
      rows
        .flatMap((row) => row.cells)
        .filter(
          ({ client, feature, wire }) =>
            client === cell.client &&
            feature === "text" &&
            wire.signs !== cell.wire.signs &&
            wire.refuses["tool result"] === undefined,
        )
        .map((other) => ({ name: `${name}, then ${other.adapter.name}`, cell, other })),
    ),
);

test.each(switches)("$name: foreign reasoning stays behind, and the calls go on", ({ cell, other }) => {
  proveSwitch(cell, { wire: other.wire, adapter: other.adapter });
});

afterAll(() => {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const heads = FEATURES.map((feature) => feature.replaceAll(" ", "-"));
  const lines = rows.map(({ name }) => {
    const row = FEATURES.map((feature, at) => (marks.get(`${name}: ${feature}`) ?? "-").padEnd(heads[at]?.length ?? 0));
    return `${name.padEnd(width)}  ${row.join("  ")}`.trimEnd();
  });
  const missing = WIRES.filter(({ adapter }) => !ADAPTERS.some(({ name }) => name === adapter));
  const reasons = [
    ...CLIENTS.flatMap(({ dialect, cannot }) => reasonsOf(dialect.name, cannot)),
    ...WIRES.flatMap(({ adapter, untold }) => reasonsOf(adapter, untold ?? {})),
    ...WIRES.flatMap(({ adapter, refuses }) =>
      Object.entries(refuses).map(([feature, { reason }]) => `r  ${adapter}: ${feature}: ${reason}`),
    ),
    ...Object.entries(KNOWN).map(([name, reason]) => `!  ${name}: ${reason}`),
    ...missing.map(({ adapter }) => `   ${adapter}: no adapter in the registry yet`),
  ];
  process.stdout.write(`${["", " ".repeat(width + 2) + heads.join("  "), ...lines, ...reasons, ""].join("\n")}\n`);
});

function reasonsOf(name: string, cannot: Readonly<Partial<Record<Feature, string>>>): readonly string[] {
  return Object.entries(cannot).map(([feature, reason]) => `-  ${name}: ${feature}: ${reason}`);
}
