/**
 * The providers of the client tests: one `@copilotkit/aimock` that speaks OpenAI's, Anthropic's and Google's formats.
 * What a prompt says chooses the answer; every answer reports the same USAGE, so that a test knows what it must cost.
 * A prompt that no case knows gets aimock's own 404. SLOW takes seconds to stream, so that an abort is in mid-stream.
 */
import { type ChatCompletionRequest, LLMock } from "@copilotkit/aimock";
import { type Recorded, startWireRecorder } from "./wire-recorder.ts";

/** One model per wire format; aimock answers for its provider. */
export const MODELS = ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5", "google/gemini-2.5-flash"] as const;
export const MODEL = MODELS[0];
/** Models whose provider stops billing when a client leaves; the other one's answer is read to its end. */
export const STOPPABLE: readonly string[] = MODELS.slice(0, 2);

/** What every answer says that it used. */
export const USAGE = { prompt: 1000, completion: 100 } as const;

export const HELLO = { prompt: "Say hello.", text: "Hello from far behind the router." } as const;
/** An answer of some 2 s, to be left after `abortAfterChars`. */
export const SLOW = {
  prompt: "Count slowly.",
  text: Array.from({ length: 100 }, (_, at) => `number ${at} `).join(""),
  pauseMs: 20,
  abortAfterChars: 30,
} as const;

/** A PNG of one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/** Needs the picture to have travelled all the way: without its bytes, the answer is another. */
export const PICTURE = {
  prompt: "What is in the picture?",
  mediaType: "image/png",
  data: PIXEL,
  url: `data:image/png;base64,${PIXEL}`,
  seen: "One pixel.",
  unseen: "There is no picture.",
} as const;

/** Two tools, three calls in one turn; the turn after them ends with `text`. */
export const TOOLS = {
  prompt: "Compare the weather in Paris and Tokyo, and tell the time in Oslo.",
  calls: [
    { name: "get_weather", arguments: { city: "Paris", unit: "celsius" } },
    { name: "get_weather", arguments: { city: "Tokyo", unit: "celsius" } },
    { name: "get_time", arguments: { city: "Oslo" } },
  ],
  schemas: {
    get_weather: {
      type: "object",
      properties: { city: { type: "string" }, unit: { type: "string" } },
      required: ["city", "unit"],
      additionalProperties: false,
    },
    get_time: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
  text: "Paris 18, Tokyo 21, Oslo at noon.",
} as const;

export const PERSON = {
  prompt: "Describe Ada as JSON.",
  value: { name: "Ada", age: 36 },
  schema: {
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" } },
    required: ["name", "age"],
    additionalProperties: false,
  },
} as const;

/** Thought before the answer, for models that are asked to reason. */
export const THOUGHT = { prompt: "Think first.", reasoning: "Two and two make four.", text: "Four." } as const;

/** Answers with an error of the provider's own, or with a stream that breaks off after its first pieces. */
export const FAULTS = {
  refused: { prompt: "Fail with 400.", status: 400 },
  crowded: { prompt: "Fail with 429.", status: 429 },
  broken: { prompt: "Fail with 500.", status: 500 },
  cut: { prompt: "Break off." },
} as const;

export interface AimockUpstream {
  /** Credentials and base URLs, for the launcher's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What the provider was asked, as aimock understood it, oldest first. */
  requests(): readonly ChatCompletionRequest[];
  /** The same in the provider's own format, as it came over the wire. */
  recorded(): readonly Recorded[];
  stop(): Promise<void>;
}

/** Starts the providers on a free loopback port. */
export async function startAimockUpstream(): Promise<AimockUpstream> {
  const mock = new LLMock({ host: "127.0.0.1", port: 0, logLevel: "silent" });
  await mock.start();
  const recorder = await startWireRecorder(mock.url);
  const usage = { prompt_tokens: USAGE.prompt, completion_tokens: USAGE.completion };
  const toolCalls = TOOLS.calls.map((call) => ({ name: call.name, arguments: JSON.stringify(call.arguments) }));
  const personByTool = ({ tools }: ChatCompletionRequest) => ({
    toolCalls: [{ name: tools?.[0]?.function.name ?? "", arguments: JSON.stringify(PERSON.value) }],
    usage,
  });
  mock.on({ userMessage: TOOLS.prompt, hasToolResult: true }, { content: TOOLS.text, usage });
  mock.on({ userMessage: TOOLS.prompt }, { toolCalls, usage });
  mock.on({ userMessage: HELLO.prompt }, { content: HELLO.text, usage }, { chunkSize: 5 });
  // Clients that ask for a structure by a tool that must be called.
  mock.on({ userMessage: PERSON.prompt, predicate: hasTool }, personByTool);
  mock.on({ userMessage: PERSON.prompt }, { content: JSON.stringify(PERSON.value), usage }, { chunkSize: 7 });
  mock.on({ userMessage: SLOW.prompt }, { content: SLOW.text, usage }, { chunkSize: 10, latency: SLOW.pauseMs });
  // aimock itself knows of pictures in OpenAI's format only.
  const hasPicture = (): boolean => recorder.recorded().at(-1)?.body.includes(PICTURE.data) ?? false;
  mock.on({ userMessage: PICTURE.prompt, predicate: hasPicture }, { content: PICTURE.seen, usage });
  mock.on({ userMessage: PICTURE.prompt }, { content: PICTURE.unseen, usage });
  mock.on({ userMessage: THOUGHT.prompt }, { content: THOUGHT.text, reasoning: THOUGHT.reasoning, usage });
  for (const { prompt, status } of [FAULTS.refused, FAULTS.crowded, FAULTS.broken]) {
    mock.on({ userMessage: prompt }, { error: { message: "The provider says no." }, status });
  }
  const cut = { chunkSize: 10, latency: SLOW.pauseMs, truncateAfterChunks: 4 };
  mock.on({ userMessage: FAULTS.cut.prompt }, { content: SLOW.text, usage }, cut);
  mock.onRerank(/./, [
    { index: 1, relevance_score: 0.9 },
    { index: 0, relevance_score: 0.1 },
  ]);
  const { origin } = recorder;
  return {
    env: {
      OPENAI_API_KEY: "sk-upstream",
      OPENAI_BASE_URL: `${origin}/v1`,
      ANTHROPIC_API_KEY: "sk-upstream",
      ANTHROPIC_BASE_URL: `${origin}/v1`,
      COHERE_API_KEY: "sk-upstream",
      COHERE_BASE_URL: origin,
      GOOGLE_AI_STUDIO_API_KEY: "sk-upstream",
      GOOGLE_AI_STUDIO_BASE_URL: `${origin}/v1beta`,
    },
    requests: () => mock.getRequests().map(({ body }) => body as ChatCompletionRequest),
    recorded: recorder.recorded,
    async stop() {
      await recorder.stop();
      await mock.stop();
    },
  };
}

function hasTool({ tools }: ChatCompletionRequest): boolean {
  return tools !== undefined && tools.length > 0;
}
