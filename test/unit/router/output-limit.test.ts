/** Limits of output beyond what any endpoint gives, of formats that make clients name one and of those that don't. */
import { expect, test } from "vitest";
import { asProviderId } from "../../../src/core/ids.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { reachableLimit } from "../../../src/router/output-limit.ts";
import { entryOf } from "./world.ts";

const limited = (tag: string, max_completion_tokens: number | null) => ({ tag, endpoint: { max_completion_tokens } });
const modelOf = (id: string, ...endpoints: ReturnType<typeof limited>[]) => ({
  entry: entryOf(id, endpoints),
  version: "v1",
  thinking: false,
  isFree: false,
  warnings: [],
});
const short = modelOf("m/short", limited("a", 4_000), limited("b", 64_000));
const long = modelOf("m/long", limited("a", null));
const dialects = { chat: openAiChat, messages: anthropicMessages };

function limitOf(
  dialect: keyof typeof dialects,
  max_tokens: number | undefined,
  models: Parameters<typeof reachableLimit>[2],
  open: readonly string[] = ["a", "b"],
) {
  const body = { model: "m/short", max_tokens, messages: [{ role: "user", content: "Hi" }] };
  const parsed = dialects[dialect].parse(body, { header: () => null });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const credentials = new Set(open.map(asProviderId));
  const { request, warnings } = reachableLimit(parsed.value.request, parsed.value, models, {
    credentials,
    byok: undefined,
  });
  return { limit: request.maxOutputTokens, warnings: warnings.length };
}

test.each([
  { name: "one in reach stays", asked: 64_000, models: [short], expected: 64_000 },
  { name: "one beyond reach is the longest answer", asked: 128_000, models: [short], expected: 64_000 },
  { name: "only what may be sent to counts", asked: 128_000, models: [short], open: ["a"], expected: 4_000 },
  { name: "without any credential all counts", asked: 128_000, models: [short], open: [], expected: 64_000 },
  { name: "any of several models will do", asked: 128_000, models: [short, long], expected: 128_000 },
  { name: "a whole context is the most", asked: 500_000, models: [long], expected: 128_000 },
  { name: "none stays none", asked: undefined, models: [short], expected: undefined },
  { name: "a model without endpoints changes nothing", asked: 9, models: [modelOf("m/none")], expected: 9 },
])("of a limit that had to be named, $name", ({ asked, models, open, expected }) => {
  expect(limitOf("messages", asked, models, open)).toEqual({ limit: expected, warnings: asked === expected ? 0 : 1 });
});

test("a limit that was the client's choice is left to the filter", () => {
  expect(limitOf("chat", 128_000, [short])).toEqual({ limit: 128_000, warnings: 0 });
});
