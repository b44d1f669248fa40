/**
 * How models are found: names that follow a family's newest model, what models were made for, and when they end.
 * Categories are only given where the maker says what a model is for; a general model has none.
 */
import type { Category, FamilyAlias } from "../schema.ts";

/** As the public catalog names them (https://openrouter.ai/docs/models, aliases); a star is a version number. */
export const FAMILY_ALIASES: readonly FamilyAlias[] = [
  { slug: "~anthropic/claude-opus-latest", name: "Claude Opus (latest)", models: ["anthropic/claude-opus-*"] },
  { slug: "~anthropic/claude-sonnet-latest", name: "Claude Sonnet (latest)", models: ["anthropic/claude-sonnet-*"] },
  { slug: "~anthropic/claude-haiku-latest", name: "Claude Haiku (latest)", models: ["anthropic/claude-haiku-*"] },
  { slug: "~anthropic/claude-fable-latest", name: "Claude Fable (latest)", models: ["anthropic/claude-fable-*"] },
  { slug: "~openai/gpt-latest", name: "GPT (latest)", models: ["openai/gpt-*", "openai/gpt-*-sol"] },
  { slug: "~openai/gpt-mini-latest", name: "GPT mini (latest)", models: ["openai/gpt-*-mini"] },
  {
    slug: "~google/gemini-pro-latest",
    name: "Gemini Pro (latest)",
    models: ["google/gemini-*-pro", "google/gemini-*-pro-preview"],
  },
  {
    slug: "~google/gemini-flash-latest",
    name: "Gemini Flash (latest)",
    models: ["google/gemini-*-flash", "google/gemini-*-flash-preview"],
  },
  { slug: "~moonshotai/kimi-latest", name: "Kimi (latest)", models: ["moonshotai/kimi-k*"] },
  { slug: "~z-ai/glm-latest", name: "GLM (latest)", models: ["z-ai/glm-*"] },
  {
    slug: "~deepseek/deepseek-pro-latest",
    name: "DeepSeek Pro (latest)",
    models: ["deepseek/deepseek-v*-pro"],
  },
];

/** By id, from the makers' model cards and product pages. */
export const CATEGORIES: readonly (readonly [Category, RegExp])[] = [
  [
    "programming",
    /codestral|devstral|-code(-|$)|coder|codex|codellama|code-fast|^morph\/|^relace\/|^vercel\/|grok-code|swe|kat-|solidity/,
  ],
  [
    "roleplay",
    /^(thedrummer|sao10k|anthracite-org|gryphe|mancer|undi95)\/|aion-rp|aion-2\.0|-her$|inflection-3-pi|stheno|euryale|lunaris|wizardlm|venice-uncensored|dolphin/,
  ],
  ["science", /prover|deep-research|olmo/],
  ["academia", /deep-research/],
  ["translation", /sea-lion|eurollm|apertus|aya-|swallow|sarvam|dictalm|multilingual/],
  ["finance", /voyage-finance|palmyra-fin/],
  ["legal", /voyage-law/],
  ["technology", /ui-tars|autoglm/],
];

/** When a model ends at its author, with the page that says so. */
export const DEPRECATIONS: Readonly<Record<string, { readonly date: string; readonly source: string } | undefined>> =
  Object.fromEntries(
    (
      [
        [
          "https://developers.openai.com/api/docs/deprecations (November 2026)",
          {
            "2026-12-11": "openai/gpt-5 openai/gpt-5-mini openai/gpt-5-nano openai/gpt-5-pro openai/o3 openai/o3-pro",
            "2027-01-14": "openai/gpt-4o openai/gpt-4o-mini openai/gpt-4.1 openai/gpt-4.1-mini",
            "2027-01-20": "openai/gpt-audio openai/gpt-audio-mini",
            "2027-04-01": "openai/gpt-5.1 openai/gpt-5.3-codex openai/gpt-5.4-nano",
          },
        ],
        [
          "https://ai.google.dev/gemini-api/docs/deprecations (November 2026)",
          {
            "2026-12-01": "google/gemini-2.5-pro google/gemini-2.5-flash",
            "2027-05-07": "google/gemini-3.1-flash-lite",
          },
        ],
      ] as const
    ).flatMap(([source, days]) =>
      Object.entries(days).flatMap(([date, ids]) => ids.split(" ").map((id) => [id, { date, source }])),
    ),
  );
