/**
 * The simulation: `npm run sim`, or `node test/sim/main.ts [flags]`. Virtual time, everything drawn from a seed, the
 * product's own code imported from src/: the same seed gives the same table. Prints it as text, then as one line of JSON.
 * Goals are shown, not enforced.
 *
 *   --seed 1         what is drawn            --json <file>   JSON into a file instead of the last line of the output
 *   --write          write docs/simulation.md
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import path from "node:path";
import { accounts } from "./accounts-section.ts";
import { nearness } from "./nearness-section.ts";
import { parseOptions, type SimOptions } from "./options.ts";
import { providers } from "./providers-section.ts";
import { pageOf, reportText } from "./report.ts";

const PAGE = path.resolve(import.meta.dirname, "../../docs/simulation.md");

let options: SimOptions;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
const { seed, jsonPath, writes } = options;
// The ProviderGate's class extends one that only workerd has.
const standIn = new URL("./workers-stand-in.ts", import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "cloudflare:workers" ? { url: standIn, shortCircuit: true } : next(specifier, context),
});
const { openProviderGate } = await import("./provider-gate.ts");
const money = await accounts(seed);
const hot = await providers(seed, openProviderGate);
const near = nearness(seed);
const sections = [money.section, hot.section, near.section];
process.stdout.write(`${reportText(sections)}\n`);
const json = JSON.stringify(
  { seed, sections, accounts: money.results, providers: hot.results, nearness: near.results },
  (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value),
);
if (jsonPath === undefined) process.stdout.write(`${json}\n`);
else writeFileSync(jsonPath, `${json}\n`);
if (writes) {
  const how = `Written by \`npm run sim -- --seed ${seed} --write\`; the same seed gives the same page. What is simulated is the product's own code in virtual time; what is assumed stands below each table.`;
  mkdirSync(path.dirname(PAGE), { recursive: true });
  writeFileSync(PAGE, pageOf(sections, how));
}
