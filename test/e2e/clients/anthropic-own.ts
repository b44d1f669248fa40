/** What only `@anthropic-ai/sdk` does: thinking, cache breakpoints, counting, its own errors. Part of clients.test.ts. */
import Anthropic from "@anthropic-ai/sdk";
import { beforeAll, expect, test } from "vitest";
import { HELLO, MODEL, MODELS, THOUGHT } from "../upstream-aimock.ts";
import { makeAnthropic } from "./anthropic.ts";
import { say, sharedStage, type Stage } from "./stage.ts";

let stage: Stage;
let anthropic: Anthropic;

beforeAll(async () => {
  stage = await sharedStage();
  anthropic = makeAnthropic(stage);
});

test("thinking comes with the answer, behind a system prompt that is cached", async () => {
  const stream = anthropic.messages.stream({
    model: MODELS[1],
    max_tokens: 4096,
    system: [{ type: "text", text: "Think well.", cache_control: { type: "ephemeral" } }],
    thinking: { type: "enabled", budget_tokens: 1024 },
    messages: say(THOUGHT.prompt),
  });
  expect((await stream.finalMessage()).content).toMatchObject([
    { type: "thinking", thinking: THOUGHT.reasoning },
    { type: "text", text: THOUGHT.text },
  ]);
  expect(lastBody()).toMatchObject({
    system: [{ type: "text", text: "Think well.", cache_control: { type: "ephemeral" } }],
  });
});

test("a limit beyond the model's longest answer is cut to that, with a warning", async () => {
  const { data, response } = await anthropic.messages
    .create({ model: MODELS[1], max_tokens: 128_000, messages: say(HELLO.prompt) }, { timeout: 60_000 })
    .withResponse();
  expect(data.content).toMatchObject([{ type: "text", text: HELLO.text }]);
  expect(lastBody()).toMatchObject({ max_tokens: 64_000 });
  expect(response.headers.get("x-waypost-warning")).toContain("max_tokens: 64000 was used");
});

test("a prompt is counted, and errors are the client's own", async () => {
  const messages = say(HELLO.prompt);
  const counted = await anthropic.messages.countTokens({ model: MODELS[1], messages });
  expect(counted.input_tokens).toBeGreaterThan(0);
  const body = { model: MODEL, max_tokens: 9, messages };
  const stranger = anthropic.withOptions({ apiKey: "sk-wp-gl1000000000000-nothing" });
  await expect(stranger.messages.create(body)).rejects.toThrow(Anthropic.AuthenticationError);
  const missing = anthropic.messages.create({ ...body, model: "openai/gpt-4o-minni" });
  await expect(missing).rejects.toMatchObject({ status: 400, error: { error: { type: "invalid_request_error" } } });
});

/** What the provider was sent last. */
function lastBody(): unknown {
  return JSON.parse(stage.upstream.recorded().at(-1)?.body ?? "null");
}
