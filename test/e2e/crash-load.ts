/**
 * What the crash test asks of a server: streams that stay open, and lanes that ask one short question after the other
 * until they are told to stop or the server dies. Every answer is kept with the time its last byte arrived.
 */
import { MODEL, type Wish } from "./slow-upstream.ts";
import type { Server } from "./serve.ts";
import type { Tenant } from "./tenant.ts";

/** An answer that a client has whole. */
export interface Answer {
  readonly id: string;
  readonly wish: Wish;
  readonly lastByteAtMs: number;
}

export interface Load {
  /** Whole answers so far. */
  readonly answers: readonly Answer[];
  /** Every wish that was sent, by its number. */
  readonly wishes: ReadonlyMap<number, Wish>;
  /** Answers with another status than 200; a test wants none. */
  readonly refusals: readonly string[];
  /** Opens a stream of `wordCount` words and resolves with its end once its first word is there. */
  open(tenant: Tenant, wordCount: number, pauseMs: number): Promise<{ readonly end: Promise<boolean> }>;
  /** Starts so many lanes, half of them streamed; they go on until `stop` or until the server is gone. */
  lanes(tenant: Tenant, count: number): Lanes;
}

export interface Lanes {
  /** When the first lane found the server gone. */
  readonly brokenAtMs: Promise<number>;
  stop(): Promise<void>;
}

/** A load for the server that `current` names. */
export function createLoad(current: () => Server): Load {
  const answers: Answer[] = [];
  const wishes = new Map<number, Wish>();
  const refusals: string[] = [];

  const ask = async (tenant: Tenant, wish: Wish, isStreamed: boolean, onFirst: () => void): Promise<boolean> => {
    wishes.set(wish.number, wish);
    try {
      const response = await fetch(`${current().apiBase}/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${tenant.key}`, "content-type": "application/json" },
        body: JSON.stringify({
          model: MODEL,
          max_tokens: 300,
          stream: isStreamed,
          messages: [{ role: "user", content: JSON.stringify(wish) }],
        }),
      });
      const { text, lastByteAtMs } = await readTimed(response, onFirst);
      if (response.status !== 200) refusals.push(`${response.status} ${text}`);
      if (response.status !== 200 || (isStreamed && !text.endsWith("data: [DONE]\n\n"))) return false;
      answers.push({ id: response.headers.get("x-generation-id") ?? "", wish, lastByteAtMs });
      return true;
    } catch {
      // Broken connections are what this is about.
      return false;
    }
  };
  const newWish = (wordCount: number, pauseMs: number): Wish => ({ number: wishes.size, wordCount, pauseMs });

  return {
    answers,
    wishes,
    refusals,
    open(tenant, wordCount, pauseMs) {
      return new Promise((resolve, reject) => {
        const end = ask(tenant, newWish(wordCount, pauseMs), true, () => resolve({ end }));
        end.then(
          (isWhole) => (isWhole ? undefined : reject(new Error(`A stream never began: ${refusals[0]}`))),
          reject,
        );
      });
    },
    lanes(tenant, count) {
      let isStopped = false;
      const lane = async (isStreamed: boolean): Promise<void> => {
        while (!isStopped && (await ask(tenant, newWish(5, 5), isStreamed, () => undefined)));
      };
      const running = Array.from({ length: count }, (_, at) => lane(at % 2 === 0));
      return {
        brokenAtMs: Promise.race(running).then(() => Date.now()),
        async stop() {
          isStopped = true;
          await Promise.all(running);
        },
      };
    },
  };
}

async function readTimed(response: Response, onFirst: () => void) {
  const decoder = new TextDecoder();
  let text = "";
  let lastByteAtMs = 0;
  for await (const bytes of response.body ?? []) {
    lastByteAtMs = Date.now();
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    if (response.ok) onFirst();
  }
  return { text, lastByteAtMs };
}
