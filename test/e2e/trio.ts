/**
 * Three services of the production bundle in one workerd that share Durable Objects, D1 and KV: three isolates, as a
 * deployment has them in three places, each behind a socket of its own. Its upstream answers every request with exactly
 * the `max_tokens` asked for, at a price per output token and nothing else, so that each answer costs its worst case.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import * as z from "zod";
import { build } from "../../src/cli/build.ts";
import { migrate } from "../../src/cli/migrate.ts";
import { BUNDLE, ROOT } from "../../src/cli/paths.ts";

const NAMES = ["waypost", "waypost-two", "waypost-three"] as const;
const OPERATOR_KEY = "operator-key-of-the-trio";
export const MODEL = "trio/full";
const PROVIDER = "full";
/** Per output token. */
export const PRICE_NUSD = 1_000;

export interface Trio {
  /** The services' API bases. */
  readonly apis: readonly string[];
  readonly operatorKey: string;
  /** Generations whose request was admitted from a lease, as the log tells. */
  readonly leased: ReadonlySet<string>;
  stop(): Promise<void>;
}

/** Starts the three and publishes the catalog. Rejects when the bundle can't be built or workerd doesn't start. */
export async function startTrio(): Promise<Trio> {
  const manifest = await build();
  if (!manifest.ok) throw new Error(manifest.error);
  const { compatibilityDate, compatibilityFlags, d1, r2, kv, durableObjects } = manifest.value;
  const dir = mkdtempSync(path.join(tmpdir(), "waypost-trio-"));
  const upstream = await startUpstream();
  const leased = new Set<string>();
  const contents = readFileSync(BUNDLE, "utf8");
  const worker = (name: string, isHome: boolean) => ({
    name,
    modules: [{ type: "ESModule" as const, path: "worker.js", contents }],
    compatibilityDate,
    compatibilityFlags: [...compatibilityFlags],
    bindings: {
      PLACE: "none",
      OPERATOR_KEY,
      WAYPOST_SECRET: "secret-of-the-trio-0123456789",
      FULL_API_KEY: "sk-full",
      FULL_BASE_URL: upstream.url,
    },
    d1Databases: Object.fromEntries(d1.map((database) => [database.binding, database.name])),
    r2Buckets: Object.fromEntries(r2.map(({ binding }) => [binding, binding])),
    kvNamespaces: Object.fromEntries(kv.map((binding) => [binding, binding])),
    durableObjects: Object.fromEntries(
      durableObjects.map(({ binding, className }) => [
        binding,
        isHome ? { className, useSQLite: true } : { className, useSQLite: true, scriptName: NAMES[0] },
      ]),
    ),
    serviceBindings: { NETWORK: { network: { allow: ["public", "private"], tlsOptions: { trustBrowserCas: true } } } },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: NAMES.map((name, at) => worker(name, at === 0)),
      cf: false,
      logRequests: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.NONE),
      resourcePersistencePath: dir,
      handleStructuredLogs: ({ message }) => {
        for (const line of message.split("\n")) noteLeased(line, leased);
      },
    }),
  );
  await miniflare.ready;
  for (const { binding, migrationsDir } of d1) {
    await migrate(await miniflare.getD1Database(binding), path.join(ROOT, migrationsDir));
  }
  const urls = await Promise.all(NAMES.map((name) => miniflare.unsafeGetDirectURL(name)));
  const apis = urls.map((url) => new URL("/api/v1", url).href);
  const published = await fetch(`${apis[0]}/admin/catalog`, {
    method: "PUT",
    headers: { authorization: `Bearer ${OPERATOR_KEY}`, "content-type": "application/json" },
    body: JSON.stringify(CATALOG),
  });
  if (!published.ok) throw new Error(`The catalog was refused: ${await published.text()}`);
  return {
    apis,
    operatorKey: OPERATOR_KEY,
    leased,
    async stop() {
      await miniflare.dispose();
      await upstream.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const LogLine = z.looseObject({ generation_id: z.string(), leased: z.boolean() });

function noteLeased(line: string, leased: Set<string>): void {
  if (!line.startsWith("{")) return;
  const parsed = LogLine.safeParse(JSON.parse(line));
  if (parsed.success && parsed.data.leased) leased.add(parsed.data.generation_id);
}

const CATALOG = {
  version: 1,
  providers: [
    {
      slug: PROVIDER,
      name: "Full",
      adapter: "openai-compatible",
      base_url: "https://unused.example/v1",
      regions: [{ id: "one", latitude: 50, longitude: 8, jurisdiction: null, source: "test" }],
      data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
      cancellation: { policy: "stops", source: "test" },
    },
  ],
  models: [
    {
      id: MODEL,
      canonical_slug: MODEL,
      name: "Full",
      created_s: 1_760_000_000,
      input_modalities: ["text"],
      output_modalities: ["text"],
      endpoints: [
        {
          tag: PROVIDER,
          provider: PROVIDER,
          upstream_model: "full",
          price: { prompt: 0, completion: PRICE_NUSD * 1_000 },
          price_source: "test",
          context_length: 128_000,
          max_completion_tokens: 1_000,
          supported_parameters: ["max_tokens"],
          input_modalities: ["text"],
        },
      ],
    },
  ],
};

/** Time from a request to the end of its answer: long enough that hundreds of them are open at once. */
const ANSWER_MS = 300;

const Asked = z.looseObject({ stream: z.boolean().optional(), max_tokens: z.int() });

async function startUpstream(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server: HttpServer = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { stream, max_tokens: tokens } = Asked.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      const usage = { prompt_tokens: 1, completion_tokens: tokens };
      setTimeout(() => {
        if (stream === true) {
          const frames = [
            { choices: [{ index: 0, delta: { content: "word" }, finish_reason: null }] },
            { choices: [{ index: 0, delta: {}, finish_reason: "length" }] },
            { choices: [], usage },
          ];
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.end(`${frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join("")}data: [DONE]\n\n`);
          return;
        }
        const message = { role: "assistant", content: "word" };
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: "length" }], usage }));
      }, ANSWER_MS);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The upstream has no port.");
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
