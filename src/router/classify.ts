/**
 * What a conversation is about, and what it needs, by rules: no call, no model, some microseconds. Pure.
 * The first message of the user's that says something decides, so that a conversation keeps its class while it grows;
 * greetings say nothing. Rules count how many different signs of a class a text bears; the class with most weight wins,
 * of equals the one that stands first here. The signs are ours, in English and a few words of other languages: a text that
 * bears none is general, and a general model does for it. Limits: MESSAGES_MAX messages, CHARS_MAX characters of each.
 */
import type { Category } from "../catalog/schema.ts";
import type { ChatRequest, Message } from "../core/chat.ts";

export const TASK_CLASSES = [
  "code",
  "maths",
  "translation",
  "summary",
  "extraction",
  "science",
  "legal",
  "finance",
  "health",
  "marketing",
  "roleplay",
  "writing",
  "question",
  "agent",
  "chat",
  "general",
] as const;
export type TaskClass = (typeof TASK_CLASSES)[number];

/** What a model must be able to do beside answering. */
export type Need =
  | "vision"
  | "audio"
  | "video"
  | "files"
  | "tools"
  | "structured output"
  | "reasoning"
  | "long context";

export interface Classified {
  readonly task: TaskClass;
  /** The signs that decided, for people. */
  readonly signs: readonly string[];
  readonly needs: readonly Need[];
}

/** What a class means for the choice. `area` is the kind of results that measure it, `isHard`: the cheapest seldom do. */
export interface TaskTraits {
  readonly category: Category | null;
  readonly area: "intelligence" | "coding" | "agentic";
  readonly isHard: boolean;
}

export const TRAITS: { readonly [name in TaskClass]: TaskTraits } = {
  code: { category: "programming", area: "coding", isHard: true },
  maths: { category: "science", area: "intelligence", isHard: true },
  translation: { category: "translation", area: "intelligence", isHard: false },
  summary: { category: null, area: "intelligence", isHard: false },
  extraction: { category: null, area: "intelligence", isHard: false },
  science: { category: "science", area: "intelligence", isHard: true },
  legal: { category: "legal", area: "intelligence", isHard: true },
  finance: { category: "finance", area: "intelligence", isHard: true },
  health: { category: "health", area: "intelligence", isHard: true },
  marketing: { category: "marketing", area: "intelligence", isHard: false },
  roleplay: { category: "roleplay", area: "intelligence", isHard: false },
  writing: { category: null, area: "intelligence", isHard: false },
  question: { category: "trivia", area: "intelligence", isHard: false },
  agent: { category: null, area: "agentic", isHard: true },
  chat: { category: null, area: "intelligence", isHard: false },
  general: { category: null, area: "intelligence", isHard: false },
};

const MESSAGES_MAX = 8;
const CHARS_MAX = 4_000;
/** A prompt from here on needs a model that is made for long ones. */
const LONG_CONTEXT_TOKENS = 32_000;
/** An opening that bears no sign and is no longer is small talk. */
const CHAT_CHARS_MAX = 120;

interface Rule {
  readonly task: TaskClass;
  readonly sign: string;
  readonly weight: number;
  readonly pattern: RegExp;
}

const rule = (task: TaskClass, sign: string, weight: number, pattern: RegExp): Rule => ({
  task,
  sign,
  weight,
  pattern,
});

/** Alternatives without nested repeats: each pattern takes time in proportion to the text. */
const RULES: readonly Rule[] = [
  rule("code", "a fenced block", 3, /```/),
  rule(
    "code",
    "source text",
    3,
    /\b(def \w+\(|function \w*\(|const \w+ =|import \w+ from|#include|public class|SELECT .{1,80} FROM)/,
  ),
  rule(
    "code",
    "a stack trace",
    3,
    /\b(Traceback \(most recent|at \w[\w.]*\(\w+\.\w+:\d+|TypeError|NullPointerException|segfault)/,
  ),
  rule(
    "code",
    "a language or tool by name",
    2,
    /\b(python|javascript|typescript|java|golang|rust|kotlin|swift|php|ruby|sql|bash|html|css|react|django|docker|kubernetes|terraform|git|regex|leetcode)\b|\bc(\+\+|#)/i,
  ),
  rule(
    "code",
    "words of programming",
    2,
    /\b(refactor|debug|compile[sr]?|unit tests?|code review|stack trace|pull request|api endpoint|algorithm|programmieren|codebase|write (a|the|some) (\w+ ){0,2}(function|script|class|program|query|code))\b/i,
  ),
  rule("maths", "formulas", 3, /\\(frac|int|sum|sqrt|lim|begin\{)|\$\$|[∫∑√∂∀∃]|\b\d+\s*[x*^]\s*\^?\d+\s*[-+=]/),
  rule(
    "maths",
    "words of mathematics",
    2,
    /\b(prove that|proof of|theorem|lemma|integral|derivative|eigenvalues?|matrix|probability that|equations?|polynomial|solve for|how many ways|prime numbers?|calculus|algebra|trigonometr\w+|mathemati\w+)\b/i,
  ),
  rule(
    "translation",
    "the wish to translate",
    4,
    /\b(translat(e|ion|ing)|traduis|traduire|traduce|traduci|traduza|vertaal|przetłumacz)\b|übersetz|翻译|翻訳|переведи|перевести/i,
  ),
  rule(
    "translation",
    "a language to turn it into",
    1,
    /\b(in|into|to) (english|german|french|spanish|italian|portuguese|chinese|japanese|korean|russian|arabic|hindi|dutch|polish|turkish)\b/i,
  ),
  rule(
    "summary",
    "the wish for a summary",
    4,
    /\b(summari[sz]e|summary|tl;?dr|key (points|takeaways)|condense|in a nutshell|zusammenfass\w*|fasse .{1,60} zusammen|résume[rz]?|resum(e|en|ir))\b/i,
  ),
  rule(
    "extraction",
    "the wish for parts of a text",
    3,
    /\b(extract|classify|categori[sz]e|label (the|each)|sentiment|named entit\w+|parse (the|this)|return (only )?(a )?json|as json|into a table)\b/i,
  ),
  rule(
    "science",
    "words of science",
    2,
    /\b(physics|chemistry|biology|molecul\w+|quantum|enzyme|protein|genom\w+|thermodynamic\w*|relativity|photosynthesis|hypothesis|experiment|astronom\w+|neuro\w+)\b/i,
  ),
  rule(
    "legal",
    "words of law",
    2,
    /\b(contract|clause|lawsuit|liabilit\w+|plaintiff|defendant|attorney|gdpr|copyright|statute|jurisdiction|legal(ly)?|lease agreement|terms of service|nda)\b/i,
  ),
  rule(
    "finance",
    "words of finance",
    2,
    /\b(invest(ment|ing|or)?|stocks?|portfolio|balance sheet|cash ?flow|ebitda|dividends?|mortgage|tax(es)?|interest rates?|valuation|accounting|hedge|bonds?)\b/i,
  ),
  rule(
    "health",
    "words of medicine",
    2,
    /\b(symptoms?|diagnos\w+|medication|dosage|patients?|disease|therap(y|ies)|blood pressure|diabetes|doctor|clinical|vaccin\w+|side effects)\b/i,
  ),
  rule(
    "marketing",
    "words of marketing",
    2,
    /\b(seo|ad copy|marketing|slogan|tagline|landing page|newsletter|product description|social media post|call to action|brand(ing)?|campaign)\b/i,
  ),
  rule(
    "roleplay",
    "a role to play",
    4,
    /\b(role-?play|pretend (to be|you are)|act as (a|an|my)|you are now|stay in character|in character|dungeon master)\b/i,
  ),
  rule(
    "writing",
    "the wish for a text",
    3,
    /\b(write|draft|compose|rewrite|proofread|schreibe?|rédige|escribe) (me )?(a|an|the|this|my|ein\w*|une?|una?) (\w+ ){0,2}(story|poem|essay|letter|email|e-mail|article|blog|speech|song|novel|haiku|paragraph|report|gedicht|brief|poème|cuento)/i,
  ),
  rule(
    "writing",
    "style",
    2,
    /\b(proofread|improve (the|my) (writing|style|text)|tone of voice|rephrase|paraphrase)\b/i,
  ),
  rule(
    "question",
    "a short question",
    1,
    /^\s*(who|what|when|where|which|whose|how (many|much|old|tall|far|long)|is|are|does|did)\b[^?]{1,160}\?\s*$/i,
  ),
];

/** The class and the needs of a request. @param promptTokens as estimated. */
export function classify(request: ChatRequest, promptTokens: number): Classified {
  const needs = needsOf(request, promptTokens);
  const openings = request.messages.filter(({ role }) => role === "user").slice(0, MESSAGES_MAX);
  for (const message of openings) {
    const found = judge(textOf(message));
    if (found !== null) return { ...found, needs };
  }
  if (request.tools.length > 0) return { task: "agent", signs: ["tools are given"], needs };
  const isShort = openings.every((message) => textOf(message).length <= CHAT_CHARS_MAX);
  const isPlain = !needs.some((need) => need !== "reasoning");
  if (isShort && isPlain) return { task: "chat", signs: ["short, and no sign of a task"], needs };
  return { task: "general", signs: ["no sign of a task"], needs };
}

/** The class of one text; null when it bears no sign of any. */
function judge(text: string): Pick<Classified, "task" | "signs"> | null {
  const weights = new Map<TaskClass, number>();
  const found = RULES.filter(({ pattern }) => pattern.test(text));
  for (const { task, weight } of found) weights.set(task, (weights.get(task) ?? 0) + weight);
  let best: TaskClass | null = null;
  for (const task of TASK_CLASSES) {
    if ((weights.get(task) ?? 0) > (best === null ? 0 : (weights.get(best) ?? 0))) best = task;
  }
  return best === null
    ? null
    : { task: best, signs: found.filter(({ task }) => task === best).map(({ sign }) => sign) };
}

function textOf(message: Message): string {
  let text = "";
  for (const part of message.parts) {
    if (part.type !== "text") continue;
    text += text === "" ? part.text.slice(0, CHARS_MAX) : `\n${part.text.slice(0, CHARS_MAX)}`;
    if (text.length >= CHARS_MAX) break;
  }
  return text.slice(0, CHARS_MAX);
}

const PART_NEEDS = { image: "vision", audio: "audio", video: "video", file: "files" } as const;

function needsOf(request: ChatRequest, promptTokens: number): readonly Need[] {
  const needs = new Set<Need>();
  for (const { parts } of request.messages) {
    for (const part of parts) if (part.type !== "text") needs.add(PART_NEEDS[part.type]);
  }
  if (request.tools.length > 0) needs.add("tools");
  if (request.responseFormat !== undefined && request.responseFormat.kind !== "text") needs.add("structured output");
  const { reasoning } = request;
  const isAsked =
    reasoning?.effort === undefined
      ? reasoning?.enabled === true || reasoning?.maxTokens !== undefined
      : reasoning.effort !== "none";
  if (isAsked) needs.add("reasoning");
  if (promptTokens >= LONG_CONTEXT_TOKENS) needs.add("long context");
  return [...needs];
}
