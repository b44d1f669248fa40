/**
 * How fast `GET /models` with a thousand models is answered, beside a bare Worker that answers the same bytes: both on
 * workerd behind the product's own launcher, asked in turn over the same number of kept connections.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { forkServer, processorMs, servingPids } from "./children.ts";
import { median } from "./numbers.ts";

export interface Listing {
  /** Size of one answer's body. */
  readonly bytes: number;
  /** Answers a second; medians of the rounds. */
  readonly perSecond: number;
  readonly barePerSecond: number;
  /** Median of each round's own ratio. */
  readonly ratio: number;
  /** Processor time of the serving process per answer, beside the bare Worker's. */
  readonly processorRatio: number;
  readonly faults: readonly string[];
}

/** Where a list is served. */
export interface Place {
  readonly port: number;
  readonly path: string;
  readonly pids: readonly number[];
}

const ROUNDS = 5;
const RUN_MS = 2_000;
const WARM_MS = 500;
const CONNECTIONS = 8;
const HEAD_END = Buffer.from("\r\n\r\n");

/** Compares the list at `place`, which must not change meanwhile. */
export async function measureListing(place: Place): Promise<Listing> {
  const response = await fetch(`http://127.0.0.1:${place.port}${place.path}`);
  const body = await response.text();
  const bytes = Buffer.byteLength(body);
  const bare = await startBare(body);
  const faults: string[] = response.ok ? [] : [`the list answered ${response.status}`];
  const rounds: { speed: number; bareSpeed: number; cost: number; bareCost: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await ask(place, bytes, faults);
    const theirs = await ask(bare, bytes, faults);
    rounds.push({ speed: ours.perSecond, bareSpeed: theirs.perSecond, cost: ours.costMs, bareCost: theirs.costMs });
  }
  return {
    bytes,
    perSecond: median(rounds.map(({ speed }) => speed)),
    barePerSecond: median(rounds.map(({ bareSpeed }) => bareSpeed)),
    ratio: median(rounds.map(({ speed, bareSpeed }) => speed / bareSpeed)),
    processorRatio: median(rounds.map(({ cost, bareCost }) => cost / bareCost)),
    faults,
  };
}

/** A Worker that answers `body` and does nothing else. */
async function startBare(body: string): Promise<Place> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "waypost-bench-list-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const worker = path.join(directory, "worker.js");
  writeFileSync(
    worker,
    `const BODY = new TextEncoder().encode(${JSON.stringify(body)});
export default { fetch: () => new Response(BODY, { headers: { "Content-Type": "application/json" } }) };
`,
  );
  const { port, pid } = await forkServer("passthrough.ts", ["http://127.0.0.1:9", worker]);
  return { port, path: "/", pids: servingPids(pid) };
}

async function ask(
  place: Place,
  bytes: number,
  faults: string[],
): Promise<{ readonly perSecond: number; readonly costMs: number }> {
  await answersIn(place, bytes, WARM_MS, faults);
  const beforeMs = processorMs(place.pids);
  const startMs = performance.now();
  const answers = await answersIn(place, bytes, RUN_MS, faults);
  const tookMs = performance.now() - startMs;
  return { perSecond: (answers * 1_000) / tookMs, costMs: (processorMs(place.pids) - beforeMs) / answers };
}

/** Answers that all connections got in `runMs`; those in flight are waited for. */
async function answersIn(place: Place, bytes: number, runMs: number, faults: string[]): Promise<number> {
  const untilMs = performance.now() + runMs;
  const lanes = Array.from({ length: CONNECTIONS }, () => lane(place, bytes, untilMs, faults));
  return (await Promise.all(lanes)).reduce((sum, count) => sum + count, 0);
}

/** One connection that asks again as soon as it has an answer. */
function lane(place: Place, bytes: number, untilMs: number, faults: string[]): Promise<number> {
  const request = `GET ${place.path} HTTP/1.1\r\nhost: 127.0.0.1:${place.port}\r\n\r\n`;
  return new Promise((resolve) => {
    const socket = net.connect(place.port, "127.0.0.1");
    let answers = 0;
    let head = Buffer.alloc(0);
    let leftBytes: number | null = null;
    const end = (fault?: string): void => {
      if (fault !== undefined) faults.push(fault);
      socket.destroy();
      resolve(answers);
    };
    socket.on("connect", () => socket.write(request));
    socket.on("error", (error) => end(error.message));
    socket.on("data", (chunk) => {
      let rest = chunk.length;
      if (leftBytes === null) {
        head = Buffer.concat([head, chunk]);
        const at = head.indexOf(HEAD_END);
        if (at === -1) return;
        const text = head.subarray(0, at).toString();
        const length = Number(/^content-length: (\d+)/im.exec(text)?.[1]);
        if (!text.startsWith("HTTP/1.1 200 ") || length !== bytes)
          return end(`an answer began with ${text.slice(0, 300)}`);
        leftBytes = bytes;
        rest = head.length - at - HEAD_END.length;
        head = Buffer.alloc(0);
      }
      leftBytes -= rest;
      if (leftBytes > 0) return;
      if (leftBytes < 0) return end("an answer was longer than it said");
      answers += 1;
      leftBytes = null;
      if (performance.now() >= untilMs) return end();
      socket.write(request);
    });
  });
}
