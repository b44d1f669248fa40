/** What a simulation found, as rows with goals, and the page that docs/simulation.md is. */

export interface Row {
  readonly what: string;
  readonly value: string;
  /** Null: no goal, a figure for the reader. */
  readonly goal: string | null;
  readonly isMet: boolean | null;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  /** What was assumed and what was left out; a sentence or two each. */
  readonly assumptions: readonly string[];
}

export function row(what: string, value: string, goal: string | null = null, isMet: boolean | null = null): Row {
  return { what, value, goal, isMet };
}

export function reportText(sections: readonly Section[]): string {
  const rows = sections.flatMap((section) => section.rows);
  const width = Math.max(...rows.map(({ what }) => what.length));
  const lines = sections.flatMap((section) => [
    section.title,
    ...section.rows.map(
      ({ what, value, goal, isMet }) =>
        `  ${what.padEnd(width)}  ${value}${goal === null ? "" : `  (goal ${goal}: ${isMet === true ? "met" : "MISSED"})`}`,
    ),
  ]);
  return lines.join("\n");
}

/** The page, as markdown. */
export function pageOf(sections: readonly Section[], how: string): string {
  const parts = sections.flatMap((section) => [
    `## ${section.title}`,
    "",
    "| what | found | goal | met |",
    "|---|---|---|---|",
    ...section.rows.map(
      ({ what, value, goal, isMet }) =>
        `| ${what} | ${value} | ${goal ?? ""} | ${isMet === null ? "" : isMet ? "yes" : "**no**"} |`,
    ),
    "",
    ...section.assumptions.map((assumption) => `- ${assumption}`),
    "",
  ]);
  return ["# Simulation", "", how, "", ...parts].join("\n");
}
