/**
 * Formats that are both dialect and wire family: what a random conversation says goes onto the wire and is read by the
 * dialect as it was said, and from one format through another and back. What a format cannot say is in its list, which is
 * closed: everything else comes back, without a warning; and each entry of a list is needed.
 * (Gemini's format: test/unit/dialects/gemini-render.test.ts.)
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChatRequest } from "../../../src/core/chat.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages.ts";
import type { Dialect } from "../../../src/dialects/dialect.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { openAiResponses } from "../../../src/dialects/openai-responses.ts";
import type { Adapter, Target } from "../../../src/providers/adapter.ts";
import { ADAPTERS } from "../../../src/providers/registry.ts";
import { DEFAULT_TARGET } from "../providers/cases.ts";
import { CANNOT, type Cannot } from "./cannot.ts";
import { ANTHROPIC, conversation, MEMBERS, RESPONSES } from "./conversations.ts";

const SEED = 21;
const PARAMETERS = (
  "max_tokens stop tools tool_choice parallel_tool_calls response_format structured_outputs reasoning temperature " +
  "top_p top_k min_p top_a frequency_penalty presence_penalty repetition_penalty seed logit_bias logprobs " +
  "top_logprobs verbosity"
).split(" ");
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

interface Format {
  readonly name: keyof typeof CANNOT;
  readonly dialect: Dialect;
  readonly adapter: Adapter;
  readonly target: Target;
  readonly cannot: readonly Cannot[];
}

function formatOf(name: Format["name"], dialect: Dialect, adapterName: string, target: Partial<Target>): Format {
  const adapter = ADAPTERS.find((one) => one.name === adapterName);
  if (adapter === undefined) throw new Error(`${adapterName} is no adapter`);
  const whole = { ...DEFAULT_TARGET, supportedParameters: PARAMETERS, ...target };
  return { name, dialect, adapter, target: whole, cannot: CANNOT[name] };
}

/** Each with all that its quirks can say. */
const FORMATS: readonly Format[] = [
  formatOf("openai-chat", openAiChat, "openai-compatible", {
    quirks: {
      cache_control: true,
      prompt_cache_key: true,
      reasoning_style: "openrouter",
      reasoning_echo: "reasoning_details",
      reasoning_formats: [ANTHROPIC, RESPONSES],
      reasoning_efforts: EFFORTS,
    },
  }),
  formatOf("openai-responses", openAiResponses, "openai-responses", {
    quirks: { cache_breakpoints: true, reasoning_efforts: EFFORTS },
  }),
  // The one version that knows efforts and budgets.
  formatOf("anthropic-messages", anthropicMessages, "anthropic", { upstreamModel: "claude-opus-4-6" }),
];

/** `request` without what the lists name. */
function without(request: ChatRequest, cannot: readonly Cannot[]): ChatRequest {
  return cannot.reduce((left, { strip }) => strip(left), request);
}

interface Said {
  readonly body: unknown;
  readonly warnings: readonly string[];
}

function say({ adapter, target }: Format, request: ChatRequest): Said {
  const encoded = adapter.encode(request, target);
  if (!encoded.ok) throw new Error(encoded.error);
  return { body: JSON.parse(encoded.value.body) as unknown, warnings: encoded.value.warnings };
}

function hear({ dialect }: Format, body: unknown): ChatRequest {
  const parsed = dialect.parse(body, { header: () => null });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.request;
}

/** As JSON, so that members that are not set are not there. */
function plain(request: ChatRequest): unknown {
  return JSON.parse(JSON.stringify(request));
}

test("every member of a request is in the conversations, or ours", () => {
  const [sample] = fc.sample(conversation, { seed: SEED, numRuns: 1 });
  const random = new Set(
    fc.sample(conversation, { seed: SEED, numRuns: 300 }).flatMap((request) => Object.keys(request)),
  );
  expect(sample).toBeDefined();
  const expected = Object.entries(MEMBERS).filter(([, kind]) => kind === "random");
  expect(expected.map(([name]) => name).filter((name) => !random.has(name))).toEqual([]);
});

describe.each(FORMATS)("$name", (format) => {
  test("what is said comes back as it was said, and nothing is warned of", () => {
    fc.assert(
      fc.property(conversation, (request) => {
        const sayable = without(request, format.cannot);
        const { body, warnings } = say(format, sayable);
        expect(warnings).toEqual([]);
        expect(plain(hear(format, body))).toEqual(plain(sayable));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  const samples = fc.sample(conversation, { seed: SEED, numRuns: 200 });
  test.each(format.cannot)("it cannot say $what", ({ what }) => {
    const others = format.cannot.filter((one) => one.what !== what);
    const isLost = samples.some((request) => {
      const left = without(request, others);
      const encoded = format.adapter.encode(left, format.target);
      if (!encoded.ok || encoded.value.warnings.length > 0) return true;
      const parsed = format.dialect.parse(JSON.parse(encoded.value.body), { header: () => null });
      return !parsed.ok || JSON.stringify(sorted(parsed.value.request)) !== JSON.stringify(sorted(left));
    });
    expect(isLost, "it can: take it out of the list").toBe(true);
  });
});

const pairs = FORMATS.flatMap((from) =>
  FORMATS.filter((to) => to !== from).map((to) => ({ name: `${from.name} through ${to.name}`, from, to })),
);

test.each(pairs)("$name and back loses nothing that both can say", ({ from, to }) => {
  const both = [...from.cannot, ...to.cannot, ...from.cannot];
  fc.assert(
    fc.property(conversation, (request) => {
      const first = hear(from, say(from, without(request, both)).body);
      const through = hear(to, say(to, without(first, to.cannot)).body);
      const back = hear(from, say(from, without(through, from.cannot)).body);
      expect(plain(without(back, both))).toEqual(plain(without(first, both)));
    }),
    { seed: SEED, numRuns: 100 },
  );
});

/** With keys in one order, at every level. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return entries.toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([name, member]) => [name, sorted(member)]);
}
