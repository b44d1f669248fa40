/**
 * The soak: `npm run soak`, or `node test/chaos/main.ts [flags]`.
 * Ten minutes of mixed traffic against a real `npm start` process whose upstream misbehaves at random, with SIGKILL for
 * the whole server every minute; then the books are compared with what the clients know. What is sent, which faults it
 * meets and when the kills come is drawn from the seed. Exit code 1: the audit failed, an answer that was whole more
 * than 250 ms before a kill is missing or not exact to the nano-dollar, or something is booked that nobody asked for.
 *
 *   --minutes 10     length of the traffic           --seed 1          what is drawn
 *   --kill-every 60  seconds between two kills       --lanes 24        requests open at the same time, at most
 *   --json <file>    JSON into a file instead of the last line of the output
 */
import { writeFileSync } from "node:fs";
import { parseOptions, type SoakOptions } from "./options.ts";
import { isClean, reportJson, reportText } from "./report.ts";
import { soak } from "./soak.ts";

const say = (text: string): void => {
  process.stderr.write(`soak: ${text}\n`);
};

let options: SoakOptions;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(2);
}
const result = await soak(options, say);
process.stdout.write(`${reportText(options, result)}\n`);
const json = reportJson(options, result);
if (options.jsonPath === undefined) process.stdout.write(`${json}\n`);
else writeFileSync(options.jsonPath, `${json}\n`);
process.exit(isClean(result, options.waitsForHolds) ? 0 : 1);
