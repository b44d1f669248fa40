/** Google's `generateContent`, at AI Studio and at Vertex. Shapes: fixtures gemini, vertex. */
import { expect } from "vitest";
import * as words from "./words.ts";
import { at, frames, headers, listAt, pieces, type Answer, type Sent, type Wire } from "./words.ts";

const NATIVE: Readonly<Record<Answer["end"], string>> = {
  stop: "STOP",
  length: "MAX_TOKENS",
  tools: "STOP",
  refusal: "SAFETY",
  broken: "",
};
const FACTS = {
  usageMetadata: {
    promptTokenCount: words.INPUT_TOKENS,
    candidatesTokenCount: words.OUTPUT_TOKENS,
    totalTokenCount: words.INPUT_TOKENS + words.OUTPUT_TOKENS,
  },
  modelVersion: "gemini-2.5-flash",
  responseId: "7bYgaY3ZGKqPxN8P0O6hwAE",
};

function partsOf({ text, calls = [], thought }: Answer, isWhole: boolean): readonly object[] {
  const texts = (said: string): readonly string[] => (isWhole ? [said] : pieces(said));
  return [
    ...(thought ? texts(words.THOUGHT).map((piece) => ({ text: piece, thought: true })) : []),
    ...(text ? texts(text).map((piece) => ({ text: piece })) : []),
    ...calls.map(({ id, name, input: args }, index) => ({
      functionCall: { id, name, args },
      // The first call of a turn is signed.
      ...(thought && index === 0 ? { thoughtSignature: words.SIGNATURE } : {}),
    })),
  ];
}

function stream(answer: Answer): string {
  const chunk = (candidate: object): object => ({ candidates: [{ index: 0, ...candidate }], ...FACTS });
  const chunks = partsOf(answer, false).map((part) => chunk({ content: { role: "model", parts: [part] } }));
  const error = { code: 503, message: words.OVERLOADED, status: "UNAVAILABLE" };
  return frames([...chunks, answer.end === "broken" ? { error } : chunk({ finishReason: NATIVE[answer.end] })]);
}

function reply(answer: Answer): unknown {
  const content = { role: "model", parts: partsOf(answer, true) };
  return { candidates: [{ index: 0, content, finishReason: NATIVE[answer.end] }], ...FACTS };
}

const user = (sent: Sent): unknown => at(sent.body, "contents", 0, "parts");
const HELLO = { text: words.HELLO } as const;
const asksForTool = ({ body }: Sent): void => {
  const { name, description, parameters: parametersJsonSchema } = words.TOOL;
  expect(at(body, "tools")).toEqual([{ functionDeclarations: [{ name, description, parametersJsonSchema }] }]);
};

const says: Wire["says"] = {
  text(sent) {
    expect(user(sent)).toEqual([HELLO]);
    expect(at(sent.body, "generationConfig", "maxOutputTokens")).toBe(words.LIMIT);
    expect(sent.url).toMatch(/:generateContent$/);
  },
  stream: ({ url }) => expect(url).toContain(":streamGenerateContent?alt=sse"),
  "one tool"(sent) {
    asksForTool(sent);
    expect(at(sent.body, "toolConfig", "functionCallingConfig", "mode")).toBe("ANY");
  },
  "parallel tools": asksForTool,
  "tool result"({ body }) {
    const [model, results] = listAt(body, "contents").slice(-2);
    expect(at(model, "parts")).toMatchObject(
      words.CALLS.map(({ name, input: args }) => ({ functionCall: { name, args } })),
    );
    expect(at(results, "parts")).toMatchObject(
      words.CALLS.map(({ name }, index) => ({
        functionResponse: { name, response: { output: words.RESULTS[index] } },
      })),
    );
  },
  "structured output"({ body }) {
    expect(at(body, "generationConfig")).toMatchObject({
      responseMimeType: "application/json",
      responseJsonSchema: words.SCHEMA,
    });
  },
  reasoning({ body }) {
    expect(at(body, "generationConfig", "thinkingConfig")).toEqual({
      includeThoughts: true,
      thinkingBudget: words.REASONING_BUDGET,
    });
  },
  image: (sent) => expect(user(sent)).toEqual([HELLO, { inlineData: { mimeType: "image/png", data: words.PNG } }]),
  audio: (sent) => expect(user(sent)).toEqual([HELLO, { inlineData: { mimeType: "audio/wav", data: words.WAV } }]),
  video: (sent) => expect(user(sent)).toEqual([HELLO, { inlineData: { mimeType: "video/mp4", data: words.MP4 } }]),
  PDF: (sent) =>
    expect(user(sent)).toMatchObject([HELLO, { inlineData: { mimeType: "application/pdf", data: words.PDF } }]),
  // The format has no breakpoints: the text goes on, and the client is told.
  "cache control"(sent) {
    expect(user(sent)).toEqual([{ text: words.BOOK }, HELLO]);
    expect(sent.warnings.join(" ")).toContain("cache_control");
  },
};

export const geminiWire: Wire = {
  adapter: "gemini",
  target: { upstreamModel: "gemini-2.5-flash" },
  signs: "google-gemini-v1",
  says,
  echoesThought({ body }) {
    const parts = listAt(body, "contents", 1, "parts");
    expect(parts[0]).toEqual({ text: words.THOUGHT, thought: true });
    expect(at(parts[1], "thoughtSignature")).toBe(words.SIGNATURE);
  },
  stream,
  reply,
  tooMany: {
    status: 429,
    headers: headers({}),
    body: JSON.stringify({ error: { code: 429, message: words.OVERLOADED, status: "RESOURCE_EXHAUSTED" } }),
  },
  refusesInWords: false,
  refuses: {},
};

export const vertexWire: Wire = {
  ...geminiWire,
  adapter: "vertex",
  target: {
    region: "us-central1",
    upstreamModel: "gemini-2.5-flash",
    baseUrl: "https://us-central1-aiplatform.googleapis.com/v1",
    credential: JSON.stringify({
      type: "service_account",
      project_id: "my-project",
      private_key: "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----\n",
      client_email: "waypost@my-project.iam.gserviceaccount.com",
    }),
  },
};
