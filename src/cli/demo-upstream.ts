/**
 * The demo upstream: a local mock that speaks the wire formats of the real providers, so that a fresh clone answers
 * without any credential. Loopback only; it answers every prompt the same way and says what it is.
 */
import { LLMock } from "@copilotkit/aimock";

const ANSWER =
  "This is Waypost's demo upstream. Your request was authenticated, priced, routed and booked like a real one, " +
  "but no model has seen it: set a provider's credential (for example OPENAI_API_KEY) and start again.";

export interface DemoUpstream {
  /** Origin without a path. */
  readonly origin: string;
  stop(): Promise<void>;
}

/** Starts the demo upstream on a free loopback port. */
export async function startDemoUpstream(): Promise<DemoUpstream> {
  const mock = new LLMock({ host: "127.0.0.1", port: 0, logLevel: "silent" });
  mock.on({ predicate: () => true }, { content: ANSWER });
  await mock.start();
  return { origin: mock.url.replace(/\/$/, ""), stop: () => mock.stop() };
}
