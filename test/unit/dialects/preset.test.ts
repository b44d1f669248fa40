/** Presets among the dialects: how a request names one, what is kept of a body, and what wins when both say something. */
import { expect, test } from "vitest";
import type { RouterError } from "../../../src/core/error.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import { completions } from "../../../src/dialects/completions.ts";
import type { Dialect, ParsedBody } from "../../../src/dialects/dialect.ts";
import { gemini } from "../../../src/dialects/gemini.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";
import { presetBodyOf, presetContentOf, type PresetContent } from "../../../src/dialects/preset-config.ts";
import { withPreset } from "../../../src/dialects/preset-merge.ts";

const header = (): null => null;
const hi = [{ role: "user", content: "Hi" }];
const text = (role: string, said: string) => ({ role, parts: [{ type: "text", text: said }] });
const tool = (name: string, description: string) => ({ type: "function", function: { name, description } });

function chat(body: object): ParsedBody {
  const parsed = openAiChat.parse({ messages: hi, ...body });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}
function content(body: unknown, dialect: Dialect = openAiChat): PresetContent {
  const made = presetContentOf(dialect, body);
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
}
function refusal(body: unknown, dialect: Dialect = openAiChat): RouterError {
  const made = presetContentOf(dialect, body);
  if (made.ok) throw new Error("was not refused");
  return made.error;
}
function presetOf(config: JsonObject, systemPrompt: string | null = null): ParsedBody {
  const body = presetBodyOf({ config, systemPrompt });
  if (!body.ok) throw new Error(JSON.stringify(body.error));
  return body.value;
}
function merged(own: object, config: JsonObject, systemPrompt: string | null = null): ParsedBody {
  const both = withPreset(chat({ preset: "p", ...own }), presetOf(config, systemPrompt));
  if (!both.ok) throw new Error(JSON.stringify(both.error));
  return both.value;
}

const NAMED: readonly { readonly name: string; readonly given: object; readonly models: readonly string[] }[] = [
  { name: "the field", given: { preset: "my.preset-1" }, models: [] },
  { name: "the field with its mark", given: { preset: "@preset/my.preset-1" }, models: [] },
  { name: "the field beside a model", given: { preset: "my.preset-1", model: "a/b" }, models: ["a/b"] },
  { name: "the place of the model", given: { model: "@preset/my.preset-1" }, models: [] },
  { name: "behind a model", given: { model: "a/b:nitro@preset/my.preset-1" }, models: ["a/b:nitro"] },
  {
    name: "behind each of several models",
    given: { model: "a/b@preset/my.preset-1", models: ["a/b", "c/d@preset/my.preset-1"], preset: "my.preset-1" },
    models: ["a/b", "c/d"],
  },
];

test.each(NAMED)("a preset is named by $name", ({ given, models }) => {
  expect(chat(given)).toMatchObject({ models, preset: "my.preset-1" });
});

test("a request that names no preset has none", () => {
  expect(chat({ model: "a/b", preset: null })).not.toHaveProperty("preset");
});

test("every dialect of conversations names one, in its body and by its model", () => {
  const bodies: readonly (readonly [Dialect, object])[] = [
    [openAiResponses, { input: "Hi" }],
    [anthropicMessages, { messages: hi, max_tokens: 5 }],
    [completions, { prompt: "Hi" }],
  ];
  for (const [dialect, body] of bodies) {
    for (const given of [{ preset: "p" }, { model: "@preset/p" }]) {
      const parsed = dialect.parse({ ...body, ...given }, { header });
      expect(parsed, dialect.name).toMatchObject({ ok: true, value: { models: [], preset: "p" } });
      expect(parsed.ok && parsed.value.request.extra).toEqual({});
    }
  }
  const contents = { contents: [{ parts: [{ text: "Hi" }] }] };
  const named = (model: string, body: object = {}) => gemini.parse({ ...contents, ...body }, { header, model });
  expect(named("models/@preset/p")).toMatchObject({ value: { models: [], preset: "p" } });
  expect(named("gemini-x@preset/p")).toMatchObject({ value: { models: ["google/gemini-x"], preset: "p" } });
  expect(named("a/b", { preset: "p" })).toMatchObject({ value: { models: ["a/b"], preset: "p", warnings: [] } });
});

test.each([
  { given: {}, path: "model", says: "No models provided" },
  { given: { model: "@preset/" }, path: "model", says: '"" is not the slug of a preset' },
  { given: { preset: "a b" }, path: "preset", says: '"a b" is not the slug of a preset' },
  { given: { preset: "a".repeat(65) }, path: "preset", says: "is not the slug" },
  { given: { model: "a/b@preset/x:nitro" }, path: "model", says: '"x:nitro" is not' },
  { given: { model: "a/b@preset/x", preset: "y" }, path: "preset", says: "two presets, y and x" },
  { given: { models: ["@preset/x", "@preset/y"] }, path: "preset", says: "two presets, x and y" },
  { given: { preset: 7 }, path: "preset", says: "preset" },
])("$given names no preset, and the field is told", ({ given, path, says }) => {
  const parsed = openAiChat.parse({ messages: hi, ...given });
  expect(parsed).toMatchObject({ error: { kind: "bad_request", path, message: expect.stringContaining(says) } });
});

const SETTINGS = {
  model: "a/b",
  models: ["c/d"],
  provider: { sort: "price" },
  plugins: [{ id: "auto-router", cost_tier: "low" }],
  temperature: 0.25,
  min_p: 0.5,
  seed: 7,
  stop: ["END"],
  tools: [{ ...tool("look", "Looks"), cache_control: { type: "ephemeral" } }],
  tool_choice: { type: "function", function: { name: "look" } },
  parallel_tool_calls: false,
  response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" }, strict: true } },
  reasoning: { effort: "high", exclude: true },
  modalities: ["text"],
  max_tokens: 100,
};

test("settings come out as they went in, and are read back as the request that sent them", () => {
  const made = content({
    ...SETTINGS,
    messages: [{ role: "system", content: "Be kind." }, ...hi],
    stream: true,
    user: "u",
  });
  expect(made).toEqual({ config: SETTINGS, systemPrompt: "Be kind." });
  const direct = chat({ ...SETTINGS, messages: [{ role: "system", content: "Be kind." }] });
  expect(presetBodyOf(made)).toEqual({ ok: true, value: direct });
});

test("other spellings of a setting are kept in one", () => {
  const made = content({ max_completion_tokens: 9, stop: "END", reasoning_effort: "low", include_reasoning: false });
  expect(made.config).toEqual({ max_tokens: 9, stop: ["END"], reasoning: { effort: "low", exclude: true } });
});

test("what Messages says is kept in the words of chat completions", () => {
  const body = {
    model: "a/b",
    fallbacks: [{ model: "c/d" }],
    system: [
      { type: "text", text: "Be kind." },
      { type: "text", text: "Be brief." },
    ],
    messages: "nonsense",
    max_tokens: 1024,
    top_k: 5,
    stop_sequences: ["END"],
    tools: [{ name: "look", description: "Looks", input_schema: { type: "object" } }],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    thinking: { type: "enabled", budget_tokens: 512 },
    metadata: { user_id: "u" },
  };
  expect(content(body, anthropicMessages)).toEqual({
    config: {
      model: "a/b",
      models: ["c/d"],
      top_k: 5,
      max_tokens: 1024,
      stop: ["END"],
      tools: [{ type: "function", function: { name: "look", description: "Looks", parameters: { type: "object" } } }],
      tool_choice: "required",
      parallel_tool_calls: false,
      reasoning: { enabled: true, max_tokens: 512 },
    },
    systemPrompt: "Be kind.\n\nBe brief.",
  });
});

test("what Responses says is kept in the words of chat completions", () => {
  const body = {
    model: "a/b",
    instructions: "Be kind.",
    input: [
      { role: "developer", content: "Be brief." },
      { role: "user", content: 7 },
    ],
    previous_response_id: "resp-1",
    max_output_tokens: 64,
    text: { format: { type: "json_schema", name: "x", schema: { type: "object" } }, verbosity: "low" },
    tools: [{ type: "function", name: "look", parameters: { type: "object" }, strict: true }],
    reasoning: { effort: "low" },
  };
  expect(content(body, openAiResponses)).toEqual({
    config: {
      model: "a/b",
      verbosity: "low",
      max_tokens: 64,
      tools: [{ type: "function", function: { name: "look", parameters: { type: "object" }, strict: true } }],
      response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } },
      reasoning: { effort: "low" },
    },
    systemPrompt: "Be kind.\n\nBe brief.",
  });
});

test.each<{ readonly name: string; readonly body: unknown; readonly dialect?: Dialect; readonly path?: string }>([
  { name: "no object", body: [] },
  { name: "a wrong type", body: { temperature: "hot" }, path: "temperature" },
  { name: "an unknown tool", body: { tools: [{ type: "web_search" }] }, path: "tools[0].type" },
  {
    name: "contradicting settings",
    body: { reasoning_effort: "low", reasoning: { max_tokens: 5 } },
    path: "reasoning_effort",
  },
  { name: "another preset", body: { preset: "x" }, path: "preset" },
  { name: "another preset as its model", body: { model: "@preset/x" }, path: "model" },
  { name: "another preset among its models", body: { models: ["a/b", "c/d@preset/new"] }, path: "models" },
  {
    name: "another preset among its fallbacks",
    body: { model: "a/b", fallbacks: [{ model: "@preset/new" }] },
    dialect: anthropicMessages,
    path: "fallbacks",
  },
  {
    name: "more stop sequences than chat completions have",
    body: { stop_sequences: ["1", "2", "3", "4", "5"] },
    dialect: anthropicMessages,
    path: "stop",
  },
])("a body with $name makes no preset", ({ body, dialect = openAiChat, path }) => {
  expect(refusal(body, dialect)).toMatchObject({ kind: "bad_request", ...(path === undefined ? {} : { path }) });
});

test("the preset says what the request leaves open, and nothing else", () => {
  const made = merged({ temperature: 1, provider: { zdr: true }, session_id: "s" }, SETTINGS, "Be kind.");
  const direct = chat({ ...SETTINGS, temperature: 1, provider: { zdr: true }, session_id: "s" });
  expect(made).toEqual({
    ...direct,
    preset: "p",
    request: { ...direct.request, messages: [text("system", "Be kind."), text("user", "Hi")] },
  });
});

test.each([
  { field: "stop", own: { stop: ["A"] }, expected: { stop: ["A"] } },
  { field: "max_tokens", own: { max_tokens: 3 }, expected: { maxOutputTokens: 3 } },
  { field: "tool_choice", own: { tool_choice: "none" }, expected: { toolChoice: { kind: "none" } } },
  { field: "parallel_tool_calls", own: { parallel_tool_calls: true }, expected: { parallelToolCalls: true } },
  {
    field: "response_format",
    own: { response_format: { type: "text" } },
    expected: { responseFormat: { kind: "text" } },
  },
  { field: "reasoning", own: { reasoning: { enabled: false } }, expected: { reasoning: { enabled: false } } },
  { field: "a zero", own: { seed: 0 }, expected: { sampling: { temperature: 0.25, min_p: 0.5, seed: 0 } } },
])("$field of the request wins", ({ own, expected }) => {
  expect(merged(own, SETTINGS).request).toMatchObject(expected);
});

test("models of the request replace all of the preset's", () => {
  expect(merged({}, SETTINGS).models).toEqual(["a/b", "c/d"]);
  expect(merged({ model: "e/f" }, SETTINGS).models).toEqual(["e/f"]);
  expect(merged({ models: ["e/f", "g/h"] }, SETTINGS).models).toEqual(["e/f", "g/h"]);
});

test("tools are united: the preset's first, and of one name the request's", () => {
  const config = { model: "a/b", tools: [tool("one", "old"), tool("two", "old")] };
  const { tools } = merged({ tools: [tool("three", "new"), tool("one", "new")] }, config).request;
  expect(tools).toEqual([
    { name: "one", description: "new" },
    { name: "two", description: "old" },
    { name: "three", description: "new" },
  ]);
});

test.each([
  { name: "system", messages: [{ role: "system", content: "Own." }, ...hi] },
  { name: "developer", messages: [{ role: "developer", content: "Own." }, ...hi] },
  { name: "later", messages: [...hi, { role: "system", content: "Own." }, ...hi] },
])("a request with instructions of its own ($name) goes without the preset's", ({ messages }) => {
  expect(merged({ messages }, { model: "a/b" }, "Be kind.").request.messages).toEqual(
    chat({ model: "a/b", messages }).request.messages,
  );
});

test("a request to which nobody names a model is refused, with the preset's name", () => {
  expect(withPreset(chat({ preset: "p" }), presetOf({ temperature: 1 }))).toMatchObject({
    error: { kind: "bad_request", path: "model", message: expect.stringContaining("preset p has no model") },
  });
});

test("a format without tools leaves the preset's out, and says so", () => {
  const parsed = completions.parse({ prompt: "Hi", preset: "p" });
  if (!parsed.ok) throw new Error("was refused");
  const both = withPreset(parsed.value, presetOf(SETTINGS));
  expect(both).toMatchObject({
    value: {
      models: ["a/b", "c/d"],
      request: { tools: [], maxOutputTokens: 100 },
      warnings: [expect.stringMatching(/tools/)],
    },
  });
  expect(both.ok && both.value.request).not.toHaveProperty("toolChoice");
});

test("an answer that repeats its parameters repeats the preset's", () => {
  const parsed = openAiResponses.parse({ input: "Hi", preset: "p", top_p: 0.5 });
  if (!parsed.ok) throw new Error("was refused");
  const both = withPreset(parsed.value, presetOf({ model: "a/b", temperature: 0.25, top_p: 1, max_tokens: 9 }));
  expect(both).toMatchObject({ value: { echo: { temperature: 0.25, top_p: 0.5, max_output_tokens: 9, tools: [] } } });
});

test("what the preset asks for in vain is told", () => {
  const made = merged({ trace: {} }, { model: "a/b", cache_enabled: true, plugins: [{ id: "web" }] });
  expect(made.warnings).toEqual([
    "trace is not available and was left out",
    expect.stringContaining('"web"'),
    "cache_enabled is not available and was left out",
  ]);
});
