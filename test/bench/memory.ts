/**
 * Memory and staying power, once per target and before the rounds, while its process is still fresh: many open
 * streams, a reader that reads nothing of a 50 MiB answer, a 24 MB image. Resident memory of the serving process, so
 * garbage that was not yet collected counts too. Linux only (/proc); elsewhere the growth reads 0.
 */
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { residentKib } from "./children.ts";
import type { Measured } from "./measured.ts";
import type { Loader } from "./loader.ts";
import { requestBytes } from "./target.ts";
import type { Running } from "./targets.ts";

export interface Staying {
  /** Growth per open slow stream, in KiB. */
  readonly perStreamKib: number;
  readonly openStreams: Measured;
  readonly manyStreams: Measured;
  readonly stalled: Stalled;
  /** Peak growth while a request of 24 MB is answered. */
  readonly imagePeakMib: number;
  readonly imageStatus: string;
  /** Resident after so many short streams, one after the other on 16 connections, in MiB. */
  readonly afterShortMib: readonly { readonly streams: number; readonly mib: number }[];
  /** The measured answers that the account owes for. */
  readonly paid: readonly Measured[];
}

/** A reader that reads nothing: what the upstream got rid of, in MiB (all socket buffers included). */
export interface Stalled {
  readonly writtenMib: number;
  /** Nothing more went out in the last two of eight seconds, and it was not all. */
  readonly hasStopped: boolean;
  readonly peakGrowthMib: number;
  /** From the reader's leaving to the upstream's connection being closed; null: not within 5 s. */
  readonly closedAfterMs: number | null;
}

const OPEN_STREAMS = 200;
const MANY_STREAMS = 1_000;
const STALL_MS = 8_000;
const IMAGE_BYTES = 24_000_000;
/** Short streams after which memory is looked at. */
const SHORT_STREAMS = [1_000, 10_000] as const;
const SHORT_MS_MAX = 90_000;
/** For garbage to be collected and batches to end. */
const REST_MS = 2_000;

/** Measures one fresh target. Takes about a minute. */
export async function measureStaying(running: Running, loader: Loader, upstreamUrl: string): Promise<Staying> {
  const { target, pids } = running;
  const job = { target, warmMs: 0, runMs: 300 } as const;
  const warm = await loader.run({ ...job, kind: "throughput", role: "buffered", connections: 4 });
  const warmStream = await loader.run({ ...job, kind: "slow", role: "slow", connections: 8 });
  const slow = { ...job, kind: "slow", role: "slow" } as const;
  const open = await withPeak(pids, () => loader.run({ ...slow, connections: OPEN_STREAMS }));
  const stalled = await stall(running, upstreamUrl);
  const image = await withPeak(pids, () => sendImage(running));
  const many = await loader.run({ ...slow, connections: MANY_STREAMS });
  const short = await afterShortStreams(running, loader);
  return {
    perStreamKib: open.growthKib / OPEN_STREAMS,
    openStreams: open.value,
    manyStreams: many,
    stalled,
    imagePeakMib: image.growthKib / 1_024,
    imageStatus: image.value,
    afterShortMib: short.map(({ streams, mib }) => ({ streams, mib })),
    paid: [warm, warmStream, open.value, many, ...short.map(({ measured }) => measured)],
  };
}

/** What stays behind: a leak of a kilobyte per stream would show as 9 MiB. */
async function afterShortStreams(
  { target, pids }: Running,
  loader: Loader,
): Promise<readonly { readonly streams: number; readonly mib: number; readonly measured: Measured }[]> {
  const found = [];
  let streams = 0;
  for (const total of SHORT_STREAMS) {
    const measured = await loader.run({
      kind: "throughput",
      target,
      role: "brief",
      connections: 16,
      warmMs: 0,
      runMs: SHORT_MS_MAX,
      answersMax: total - streams,
    });
    streams += measured.served;
    await sleep(REST_MS);
    found.push({ streams, mib: residentKib(pids) / 1_024, measured });
  }
  return found;
}

/** Runs `work` and says by how much the processes grew at most. */
async function withPeak<T>(pids: readonly number[], work: () => Promise<T>): Promise<{ value: T; growthKib: number }> {
  const beforeKib = residentKib(pids);
  let peakKib = beforeKib;
  const timer = setInterval(() => {
    peakKib = Math.max(peakKib, residentKib(pids));
  }, 50);
  const value = await work();
  clearInterval(timer);
  return { value, growthKib: peakKib - beforeKib };
}

interface BigAnswer {
  readonly writtenBytes: number;
  readonly ended: boolean;
  readonly closed: boolean;
}

/** The upstream's newest big answer; our own upstream, so the shape is known. */
async function newestBig(upstreamUrl: string): Promise<BigAnswer | undefined> {
  const stats = (await (await fetch(`${upstreamUrl}/stats`)).json()) as { big: BigAnswer[] };
  return stats.big.at(-1);
}

async function stall(running: Running, upstreamUrl: string): Promise<Stalled> {
  const { host, port } = running.spare;
  const socket = net.connect({ host, port });
  socket.on("error", () => socket.destroy());
  socket.pause();
  socket.write(requestBytes(running.spare, "big"));
  const { value, growthKib } = await withPeak(running.pids, async () => {
    await sleep(STALL_MS - 2_000);
    const before = await newestBig(upstreamUrl);
    await sleep(2_000);
    return { before, after: await newestBig(upstreamUrl) };
  });
  socket.destroy();
  const { before, after } = value;
  const hasStopped = after !== undefined && !after.ended && before?.writtenBytes === after.writtenBytes;
  const left = process.hrtime.bigint();
  let closedAfterMs: number | null = null;
  while (closedAfterMs === null && process.hrtime.bigint() - left < 5_000_000_000n) {
    if ((await newestBig(upstreamUrl))?.closed === true) {
      closedAfterMs = Number(process.hrtime.bigint() - left) / 1e6;
    } else await sleep(5);
  }
  return {
    writtenMib: (after?.writtenBytes ?? 0) / 2 ** 20,
    hasStopped,
    peakGrowthMib: growthKib / 1_024,
    closedAfterMs,
  };
}

/** One request with a 24 MB image as a data URL. @returns the first line of the answer. */
async function sendImage(running: Running): Promise<string> {
  const { host, port } = running.spare;
  const request = requestBytes(running.spare, "buffered", [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(IMAGE_BYTES)}` } },
  ]);
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.setTimeout(30_000, () => socket.destroy());
    socket.once("data", (bytes) => {
      resolve(bytes.toString("latin1").split("\r\n")[0] ?? "");
      socket.destroy();
    });
    socket.once("error", (error) => resolve(error.message));
    socket.once("close", () => resolve("the connection was closed without an answer"));
    socket.write(request);
  });
}
