/**
 * One soak: a server as `npm start` runs it, an upstream that misbehaves, lanes of clients, an operator who gives credit
 * meanwhile, and SIGKILL for the whole server at the planned times, each time started again over the same data. Then
 * the traffic ends, what is open ends by itself, the audit is asked, the server is stopped and its files are judged.
 * Bounded: REQUESTS_MAX requests, each with a small note; every wait has an end.
 */
import { setMaxListeners } from "node:events";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { seededRandom } from "../../src/core/clock.ts";
import { acknowledgedIds, readBooks } from "../e2e/books-file.ts";
import { freePort, serve, type Server } from "../e2e/serve.ts";
import { askOnce, type Seen, type SoakAccount } from "./client.ts";
import { judge, type Kill, type Verdict } from "./judge.ts";
import { audit, balanceNusd, credit, makeAccount, publishCatalog, publishedPrices, type Audit } from "./operator.ts";
import type { SoakOptions } from "./options.ts";
import { killTimesOf, requestAt } from "./plan.ts";
import { startSoakUpstream, type SoakUpstream } from "./soak-upstream.ts";
import { DEADLINES, PROVIDERS } from "./world.ts";

const REQUESTS_MAX = 200_000;
const ACCOUNTS = 6;
const RICH_NUSD = 50_000_000_000n;
/** Some tens of answers. */
const POOR_NUSD = 10_000_000n;
const CREDIT_EVERY_MS = 3_000;
const CREDITS_MAX = 2_000;
/** A hold of a request that died ends within this time of its last sign of life. */
const HOLDS_END_MS = 150_000;
/** After the end of the traffic, clients wait so long for what is open, and leave. */
const LEAVE_MS = 4_000;
const QUIET_MS_MAX = 20_000;
const BOOKED_MS_MAX = 30_000;

export interface SoakResult {
  readonly verdict: Verdict;
  readonly seen: readonly Seen[];
  readonly kills: readonly Kill[];
  readonly audit: Audit;
  /** `npm run audit` against the same server ended with 0. */
  readonly isAuditCommandOk: boolean;
  readonly creditCount: number;
  readonly rowCount: number;
  readonly attemptCount: number;
  /** Faulty attempts by mode. */
  readonly faults: Readonly<Record<string, number>>;
  readonly trafficMs: number;
  /** Resident memory of the server's runtime, the largest seen before each kill and at the end. */
  readonly serverRssMib: readonly number[];
}

/** Mutable state of a run. */
interface Run {
  readonly options: SoakOptions;
  readonly say: (text: string) => void;
  readonly upstream: SoakUpstream;
  server: Server;
  isUp: boolean;
  isOver: boolean;
  readonly accounts: readonly SoakAccount[];
  readonly creditsNusd: Map<string, bigint>;
  creditCount: number;
  readonly seen: Seen[];
  readonly kills: Kill[];
  readonly rssMib: number[];
}

/** Runs it. Rejects when the server cannot be started or asked; what is wrong with the books is in the verdict. */
export async function soak(options: SoakOptions, say: (text: string) => void): Promise<SoakResult> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "waypost-soak-"));
  const upstream = await startSoakUpstream();
  const env: Record<string, string> = { ...DEADLINES };
  for (const provider of PROVIDERS) {
    env[`${provider.toUpperCase()}_API_KEY`] = `sk-soak-${provider}`;
    env[`${provider.toUpperCase()}_BASE_URL`] =
      provider === "gone" ? `http://127.0.0.1:${await freePort()}/v1` : upstream.baseUrlOf(provider);
  }
  const server = await serve({ dataDir, env, ...(options.script === null ? {} : { script: options.script }) });
  const accounts: SoakAccount[] = [];
  const run: Run = {
    options,
    say,
    upstream,
    server,
    isUp: true,
    isOver: false,
    accounts,
    creditsNusd: new Map(),
    creditCount: 0,
    seen: [],
    kills: [],
    rssMib: [],
  };
  try {
    await publishCatalog(server);
    for (let at = 0; at < ACCOUNTS; at++) {
      const account = await makeAccount(server, `soak ${at}`, at === 0);
      accounts.push(account);
      await give(run, account, account.isPoor ? POOR_NUSD : RICH_NUSD, `first-${account.id}`);
    }
    const prices = await publishedPrices(server);
    const startedAtMs = Date.now();
    await traffic(run, startedAtMs);
    const trafficMs = Date.now() - startedAtMs;
    const last = await closeBooks(run);
    const balances = await Promise.all(
      accounts.map(async ({ id, isPoor }) => ({
        id,
        isPoor,
        creditsNusd: run.creditsNusd.get(id) ?? 0n,
        balanceNusd: await balanceNusd(run.server, id),
      })),
    );
    const isAuditCommandOk = await auditCommand(run);
    run.rssMib.push(rssMib(run.server));
    const closedAtMs = Date.now();
    await run.server.stop();
    const rows = readBooks(dataDir);
    const verdict = judge({
      seen: run.seen,
      journal: upstream.journal,
      prices,
      rows,
      kills: run.kills,
      closedAtMs,
      accounts: balances,
      acknowledged: acknowledgedIds(dataDir),
    });
    return {
      verdict,
      seen: run.seen,
      kills: run.kills,
      audit: last,
      isAuditCommandOk,
      creditCount: run.creditCount,
      rowCount: rows.length,
      ...faultsOf(upstream),
      trafficMs,
      serverRssMib: run.rssMib,
    };
  } finally {
    run.isOver = true;
    await run.server.kill();
    await upstream.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Lanes, kills and credits until the time is over; resolves when the last answer has ended. */
async function traffic(run: Run, startedAtMs: number): Promise<void> {
  const { options } = run;
  const endMs = startedAtMs + options.runMs;
  const isDone = (): boolean => run.isOver || Date.now() >= endMs || run.seen.length >= REQUESTS_MAX;
  const lane = async (at: number): Promise<void> => {
    // One lane is the poor account's, which is refused most of the time.
    const account = run.accounts[at === 0 ? 0 : 1 + (at % (run.accounts.length - 1))];
    if (account === undefined) return;
    for (let index = 0; !isDone(); index++) {
      const request = requestAt(options.seed, options.lanes, at, index);
      await sleep(request.thinkMs);
      while (!run.isUp && !run.isOver) await sleep(20);
      if (!isDone()) run.seen.push(await askOnce(run.server.apiBase, account, request, over.signal));
    }
  };
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const timer = setTimeout(() => over.abort(), options.runMs + LEAVE_MS);
  const killer = async (): Promise<void> => {
    for (const atMs of killTimesOf(options.seed, options.runMs, options.killEveryMs)) {
      await sleep(Math.max(0, startedAtMs + atMs - Date.now()));
      if (run.isOver) return;
      await killOnce(run);
    }
  };
  const lanes = Array.from({ length: options.lanes }, (_, at) => lane(at));
  await Promise.all([...lanes, killer(), creditor(run, isDone)]);
  clearTimeout(timer);
}

async function killOnce(run: Run): Promise<void> {
  run.rssMib.push(rssMib(run.server));
  const atMs = Date.now();
  run.isUp = false;
  await run.server.kill();
  run.server = await run.server.restart();
  run.isUp = true;
  const kill = { atMs, restartedAtMs: Date.now() };
  run.kills.push(kill);
  run.say(
    `killed (${run.kills.length}), back after ${kill.restartedAtMs - atMs} ms; ${run.seen.length} requests so far`,
  );
}

/** Gives credit again and again, through kills, the same one until it is taken; some of it twice. */
async function creditor(run: Run, isDone: () => boolean): Promise<void> {
  const random = seededRandom(`credits ${run.options.seed}`);
  for (let at = 0; at < CREDITS_MAX && !isDone(); at++) {
    await sleep(CREDIT_EVERY_MS * random());
    const account = run.accounts[Math.floor(random() * run.accounts.length)];
    const amountNusd = BigInt(1 + Math.floor(random() * 1_999_999));
    if (account !== undefined) await give(run, account, amountNusd, `credit-${at}`);
    if (account !== undefined && random() < 0.2)
      await credit(run.server, account.id, amountNusd, `credit-${at}`).catch(() => undefined);
  }
}

async function give(run: Run, account: SoakAccount, amountNusd: bigint, cause: string): Promise<void> {
  for (;;) {
    try {
      await credit(run.server, account.id, amountNusd, cause);
      break;
    } catch (error) {
      // Only a killed server may not answer; whether it had taken the credit is what the same cause asks.
      if (run.isOver || (run.isUp && run.kills.length === 0)) throw error;
      await sleep(100);
    }
  }
  run.creditsNusd.set(account.id, (run.creditsNusd.get(account.id) ?? 0n) + amountNusd);
  run.creditCount++;
}

/** Waits until the upstream is quiet, D1 has everything and, where asked, no hold is open. */
async function closeBooks(run: Run): Promise<Audit> {
  const quietByMs = Date.now() + QUIET_MS_MAX;
  while (run.upstream.openCount() > 0 && Date.now() < quietByMs) await sleep(50);
  await sleep(1_000);
  const bookedByMs = Date.now() + (run.options.waitsForHolds ? HOLDS_END_MS : BOOKED_MS_MAX);
  for (;;) {
    const found = await audit(run.server);
    const isEnded = !run.options.waitsForHolds || found.open_holds === 0;
    if ((found.outbox === 0 && isEnded) || Date.now() > bookedByMs) return found;
    await sleep(500);
  }
}

/** `npm run audit`, as an operator runs it. */
async function auditCommand({ server, say }: Run): Promise<boolean> {
  const script = path.resolve(import.meta.dirname, "../../src/cli/audit.ts");
  const env = { ...process.env, WAYPOST_URL: server.url, OPERATOR_KEY: server.operatorKey };
  try {
    await promisify(execFile)(process.execPath, [script], { env, timeout: 60_000 });
    return true;
  } catch (error) {
    say(`the audit failed: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

function faultsOf({ journal }: SoakUpstream): Pick<SoakResult, "attemptCount" | "faults"> {
  const faults: Record<string, number> = {};
  let attemptCount = 0;
  for (const entries of journal.values()) {
    for (const { mode } of entries) {
      attemptCount++;
      if (mode !== "ok") faults[mode] = (faults[mode] ?? 0) + 1;
    }
  }
  return { attemptCount, faults };
}

/** Of the server's workerd; 0 where the system does not say. */
function rssMib({ dataDir }: Server): number {
  try {
    const pid = readFileSync(path.join(dataDir, "run/workerd.pid"), "utf8").trim();
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Math.round(Number(kib ?? 0) / 1024);
  } catch {
    return 0;
  }
}
