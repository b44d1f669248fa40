/**
 * An upstream on loopback that speaks OpenAI chat and does as the prompt says: so many words, so many milliseconds
 * apart. What it bills depends on the wish's number, so that every answer has a cost of its own and a booked one can be
 * traced back to who asked for it. Bounded by its caller: it serves until the connection is closed.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import * as z from "zod";

/** The prompt, as JSON. Numbers are unique within a test. */
const WishSchema = z.object({ number: z.int(), wordCount: z.int(), pauseMs: z.int() });
export type Wish = z.infer<typeof WishSchema>;

/** Dollars per million tokens. */
const PRICE = { prompt: 1, completion: 2 } as const;
const PROMPT_TOKENS_MIN = 1_000;
export const MODEL = "crash/paced";
const PROVIDER = "paced";

/** The number of the wish that was billed so many prompt tokens. */
export function numberOf(promptTokens: number): number {
  return promptTokens - PROMPT_TOKENS_MIN;
}

/** What the whole answer costs, in nano-dollars. */
export function costOf({ number, wordCount }: Wish): number {
  return ((PROMPT_TOKENS_MIN + number) * PRICE.prompt + wordCount * PRICE.completion) * 1_000;
}

/** One model at one provider, which is this upstream. */
export const CATALOG = {
  version: 1,
  providers: [
    {
      slug: PROVIDER,
      name: "Paced",
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
      name: "Paced",
      created_s: 1_760_000_000,
      input_modalities: ["text"],
      output_modalities: ["text"],
      endpoints: [
        {
          tag: PROVIDER,
          provider: PROVIDER,
          upstream_model: "paced",
          price: { prompt: PRICE.prompt * 1_000_000, completion: PRICE.completion * 1_000_000 },
          price_source: "test",
          context_length: 128_000,
          max_completion_tokens: 1_000,
          supported_parameters: ["max_tokens"],
          input_modalities: ["text"],
        },
      ],
    },
  ],
} as const;

export interface SlowUpstream {
  /** Credential and base URL, for the launcher's environment. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts one on a free port. */
export async function startSlowUpstream(): Promise<SlowUpstream> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => void answer(request, response));
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The slow upstream has no port.");
  return {
    env: { PACED_API_KEY: "sk-paced", PACED_BASE_URL: `http://127.0.0.1:${address.port}/v1` },
    stop() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const RequestSchema = z.looseObject({
  stream: z.boolean().optional(),
  messages: z.array(z.looseObject({ content: z.string() })).min(1),
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A caller that is killed closes in the middle of anything.
  response.on("error", () => undefined);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    return;
  }
  const { stream, messages } = RequestSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
  const wish = WishSchema.parse(JSON.parse(messages.at(-1)?.content ?? ""));
  const usage = { prompt_tokens: PROMPT_TOKENS_MIN + wish.number, completion_tokens: wish.wordCount };
  if (stream === true) response.writeHead(200, { "content-type": "text/event-stream" });
  for (let at = 0; at < wish.wordCount && !response.destroyed; at++) {
    if (stream === true) response.write(frame({ choices: [choice({ content: `${at} ` }, null)] }));
    await new Promise((resolve) => setTimeout(resolve, wish.pauseMs));
  }
  if (stream === true) {
    const end = frame({ choices: [choice({}, "stop")] }) + frame({ choices: [], usage });
    response.end(`${end}data: [DONE]\n\n`);
    return;
  }
  const content = Array.from({ length: wish.wordCount }, (_, at) => `${at} `).join("");
  const message = { role: "assistant", content };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ id: "up-1", choices: [{ index: 0, message, finish_reason: "stop" }], usage }));
}

function choice(delta: Readonly<Record<string, string>>, finishReason: string | null): unknown {
  return { index: 0, delta, finish_reason: finishReason };
}

function frame(body: Readonly<Record<string, unknown>>): string {
  return `data: ${JSON.stringify({ id: "up-1", ...body })}\n\n`;
}
