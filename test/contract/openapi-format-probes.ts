/** The requests in the other formats whose answers are held against the contract: successes, streams, errors. */
import { makeTenant, type Tenant } from "../e2e/tenant.ts";
import type { Server } from "../e2e/serve.ts";
import { FAULTS, HELLO, MODEL, MODELS, PERSON, PICTURE, THOUGHT, TOOLS } from "../e2e/upstream-aimock.ts";
import type { Ask, Asker } from "./openapi-asker.ts";

const BAD_KEY = "sk-wp-gl1000000000000-nothing";
const tools = Object.entries(TOOLS.schemas);

interface Format {
  readonly operation: string;
  /** A body that says `prompt`. */
  readonly say: (prompt: string) => Record<string, unknown>;
  readonly bodies: Readonly<Record<string, Record<string, unknown>>>;
}

const FORMATS: readonly Format[] = [
  {
    operation: "POST /responses",
    say: (input) => ({ input }),
    bodies: {
      text: { input: HELLO.prompt, metadata: { a: "b" } },
      "parallel tools": {
        input: TOOLS.prompt,
        tools: tools.map(([name, parameters]) => ({ type: "function", name, parameters })),
      },
      "structured output": {
        input: PERSON.prompt,
        text: { format: { type: "json_schema", name: "person", strict: true, schema: PERSON.schema } },
      },
      image: {
        input: [
          {
            role: "user",
            content: [
              { type: "input_text", text: PICTURE.prompt },
              { type: "input_image", image_url: PICTURE.url, detail: "auto" },
            ],
          },
        ],
      },
      reasoning: { input: THOUGHT.prompt, reasoning: { effort: "low" }, max_output_tokens: 4096 },
    },
  },
  {
    operation: "POST /messages",
    say: (content) => ({ max_tokens: 500, messages: [{ role: "user", content }] }),
    bodies: {
      text: { max_tokens: 500, messages: [{ role: "user", content: HELLO.prompt }] },
      "parallel tools": {
        max_tokens: 500,
        messages: [{ role: "user", content: TOOLS.prompt }],
        tools: tools.map(([name, schema]) => ({ name, input_schema: schema })),
      },
      "structured output": {
        max_tokens: 500,
        messages: [{ role: "user", content: PERSON.prompt }],
        output_config: { format: { type: "json_schema", schema: PERSON.schema } },
      },
      image: {
        max_tokens: 500,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: PICTURE.prompt },
              {
                type: "image",
                source: { type: "base64", media_type: "image/png", data: PICTURE.url.replace(/^.*,/, "") },
              },
            ],
          },
        ],
      },
      reasoning: {
        max_tokens: 4096,
        thinking: { type: "enabled", budget_tokens: 1024 },
        messages: [{ role: "user", content: THOUGHT.prompt }],
      },
    },
  },
];

/** Asks in each format; each answer is judged by `ask`. */
export async function probeFormats(ask: Asker, server: Server, { key, managementKey }: Tenant): Promise<void> {
  const poor = await makeTenant(server, "0.000001");
  const headers = { "X-OpenRouter-Metadata": "enabled" };
  for (const { operation, say, bodies } of FORMATS) {
    for (const model of MODELS) {
      for (const [what, body] of Object.entries(bodies)) {
        // The file forbids parts of reasoning in the base of the events that it names them in; the official client wants
        // them there.
        const isContradicted = operation === "POST /responses" && what === "reasoning";
        for (const stream of isContradicted ? [false] : [false, true]) {
          const name = `${model} ${what}${stream ? ", streamed" : ""}`;
          await ask({ operation, name, key, headers, body: { model, ...body, stream }, status: 200 });
        }
      }
    }
    const hello = say(HELLO.prompt);
    const fault = (name: string, body: unknown, status: number, more: Partial<Ask> = {}) =>
      ask({ operation, name, key, body, status, ...more });
    await fault("no key", { model: MODEL, ...hello }, 401, { key: undefined });
    await fault("forged key", { model: MODEL, ...hello }, 401, { key: BAD_KEY });
    await fault("management key", { model: MODEL, ...hello }, 403, { key: managementKey });
    await fault("not JSON", "{", 400);
    await fault("wrong type", { model: MODEL, ...hello, temperature: "hot" }, 400);
    await fault("unknown model", { model: "openai/gpt-4o-minni", ...hello }, 400);
    await fault("no endpoint left", { model: MODEL, ...hello, provider: { only: ["mistral"] } }, 404, { headers });
    await fault("no credit", { model: MODELS[1], ...hello }, 402, { key: poor.key });
    await fault("refused by the provider", { model: MODEL, ...say(FAULTS.refused.prompt) }, 400);
    await fault("broken off", { model: MODEL, ...say(FAULTS.cut.prompt), stream: true }, 200);
  }
}
