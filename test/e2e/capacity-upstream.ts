/**
 * An upstream with limits of its own: it counts what each credential runs at once, answers 429 with `Retry-After` beyond
 * what it takes, and 401 to a credential it does not know. Speaks chat completions, buffered.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface CapacityUpstream {
  readonly baseUrl: string;
  /** By credential, since the last `reset`. */
  seen(): Readonly<Record<string, CredentialTally>>;
  reset(): void;
  close(): Promise<void>;
}

export interface CredentialTally {
  readonly runningMax: number;
  readonly answered: number;
  readonly throttled: number;
  readonly refused: number;
}

interface Rule {
  /** A credential that is not named here is refused. */
  readonly takes: Readonly<Record<string, number>>;
  readonly answerMs: number;
  readonly retryAfterS: number;
}

export async function startCapacityUpstream({ takes, answerMs, retryAfterS }: Rule): Promise<CapacityUpstream> {
  const running = new Map<string, number>();
  let tallies: Record<string, { runningMax: number; answered: number; throttled: number; refused: number }> = {};
  const server = createServer((request, response) => {
    const key = (request.headers.authorization ?? "").replace("Bearer ", "");
    const tally = (tallies[key] ??= { runningMax: 0, answered: 0, throttled: 0, refused: 0 });
    const reply = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    };
    request.resume();
    request.on("end", () => {
      const limit = takes[key];
      if (limit === undefined) {
        tally.refused++;
        return reply(401, { error: { message: "Incorrect API key provided" } });
      }
      const now = (running.get(key) ?? 0) + 1;
      if (now > limit) {
        tally.throttled++;
        return reply(429, { error: { message: "Too many requests" } }, { "retry-after": String(retryAfterS) });
      }
      running.set(key, now);
      tally.runningMax = Math.max(tally.runningMax, now);
      setTimeout(() => {
        running.set(key, (running.get(key) ?? 1) - 1);
        tally.answered++;
        const choices = [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }];
        reply(200, { id: "one", choices, usage: { prompt_tokens: 3, completion_tokens: 1 } });
      }, answerMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    seen: () => tallies,
    reset() {
      tallies = {};
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
