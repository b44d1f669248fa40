/**
 * `npm run mutants -- --streams 1000000 --seed 7`: as many mutated streams as wanted through every decoder and the money
 * behind it (providers/ordeal.ts); a step of `npm test` runs 100,000 of them with seed 1. Spread evenly over the recorded streams,
 * on one core, about 5,000 a second. Exit code 1 when one fails: its stream and the seed that makes it again are printed.
 */
import { parseArgs } from "node:util";
import { DIALECTS } from "./dialects/cases.ts";
import { EMPTY_TALLY, ordeal, stocks } from "./providers/ordeal.ts";

const { values } = parseArgs({
  options: { streams: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
});
const streams = Number(values.streams);
if (!Number.isSafeInteger(streams) || streams < 1) {
  console.error("Usage: npm run mutants -- [--streams 100000] [--seed 1]");
  process.exit(2);
}

const all = stocks();
const tally = { ...EMPTY_TALLY };
for (const stock of all) {
  const failing = ordeal(stock, DIALECTS, Math.ceil(streams / all.length), values.seed, tally);
  if (failing === null) continue;
  process.exitCode = 1;
  console.log(`${failing.name}, seed "${failing.seed}": ${failing.fault}`);
}
console.log(
  `${tally.streams} streams, ${tally.events} events: ${tally.charged} charged, ${tally.broken} broken, ${tally.doubted} doubted`,
);
