/**
 * How many tokens a request or an answer will have, guessed from its characters: for holds, for context checks and for
 * answers whose provider gave no usage. No tokenizer: a weight per class of character. The weights are ours, checked
 * only against another estimator (tokenx, 0.8 to 1.6 of it), never against a model's own tokenizer.
 * Prompts are guessed 15% high, because a hold that is too small is worse than one that is too large; completions are
 * guessed without a margin, because they are charged by it. At most SAMPLE_CHARS_MAX characters of a text are read.
 */
import type { Attachments } from "./attachments.ts";
import type { ChatRequest, Message, Part, VideoPart } from "./chat.ts";
import type { EmbeddingInput } from "./task.ts";

/** Longest text that is read whole; of a longer one as many characters are read in evenly spaced blocks. */
export const SAMPLE_CHARS_MAX = 100_000;
const BLOCK_CHARS = 1_000;

/** Sixtieths of a token per character of a class. */
const UNIT = 60;
const LOWER = 13;
const UPPER = 22;
const DIGIT = 26;
const SPACE = 10;
const PUNCTUATION = 32;
const NEWLINE = 24;
const LATIN_EXTENDED = 36;
/** Cyrillic, Greek, Arabic, Hebrew. */
const ALPHABETIC = 26;
/** Indic scripts, Thai and their neighbours. */
const ABUGIDA = 42;
const CJK = 60;
/** Half of a surrogate pair. */
const SURROGATE = 72;

const ASCII_WEIGHTS = Uint8Array.from({ length: 128 }, (_, code) => asciiWeight(code));

const PROMPT_MARGIN = 1.15;
const TOKENS_PER_MESSAGE = 4;
const TOKENS_PER_TOOL = 12;
/** The preamble that providers put before tools: our guess, on the high side. */
const TOKENS_FOR_TOOLS = 350;
const TOKENS_PER_IMAGE = 1_200;
const TOKENS_PER_REMOTE_FILE = 10_000;
const TOKENS_PER_REMOTE_VIDEO = 20_000;
const MEDIA_TOKENS_MAX = 500_000;
const BASE64_BYTES_PER_CHAR = 0.75;
/**
 * A second of audio is 32 tokens and one of video 263 for Gemini (295 with its sound)
 * (https://geminibyexample.com/027-calculate-input-tokens/, stored copy read 2026-11-21). We take a second of audio as
 * 32 kB uncompressed and 8 kB compressed, one of video as 1 Mbit; what a byte of a file holds is our guess.
 */
const PCM_BYTES_PER_TOKEN = 1_000;
const AUDIO_BYTES_PER_TOKEN = 250;
const VIDEO_BYTES_PER_TOKEN = 480;
const VIDEO_TOKENS_PER_S = 295;
const FILE_BYTES_PER_TOKEN = 10;

/**
 * Prompt tokens of `request`, guessed on the high side; media by their size or by a constant where it is unknown.
 * @param attachments what was cut out of the request, if anything was.
 */
export function estimatePromptTokens(request: ChatRequest, attachments: Attachments | null = null): number {
  let tokens = 3;
  const charsOf = (media: string): number => attachments?.charsOf(media) ?? media.length;
  for (const message of request.messages) tokens += messageTokens(message, charsOf);
  if (request.tools.length > 0) tokens += TOKENS_FOR_TOOLS;
  for (const tool of request.tools) {
    tokens += TOKENS_PER_TOOL + textTokens(tool.name) + textTokens(tool.description ?? "");
    if (tool.parameters !== undefined) tokens += textTokens(JSON.stringify(tool.parameters));
  }
  const format = request.responseFormat;
  if (format?.kind === "json_schema") tokens += TOKENS_PER_TOOL + textTokens(JSON.stringify(format.schema));
  tokens += taskTokens(request);
  return Math.ceil(tokens * PROMPT_MARGIN);
}

/**
 * Tokens that must fit into the model at once: of a conversation all, of things to be embedded each for itself. What is
 * ranked or judged is cut to fit by those who do it.
 */
export function longestPromptTokens({ task }: ChatRequest, promptTokens: number): number {
  switch (task?.kind) {
    case undefined:
      return promptTokens;
    case "embeddings":
      return task.inputs.length === 1 ? promptTokens : Math.max(...task.inputs.map(inputTokens));
    case "rerank":
    case "moderation":
      return 1;
    default:
      return task satisfies never;
  }
}

/** Things of parts are taken for as long as may be: what they hold is counted as a whole. */
function inputTokens(input: EmbeddingInput): number {
  if (input.kind === "tokens") return input.tokens.length;
  return input.kind === "text" ? Math.ceil(textTokens(input.text)) : 1;
}

/** What the messages of a task do not hold: tokens as such, and a query that is read anew with each document. */
function taskTokens({ task }: ChatRequest): number {
  if (task?.kind === "embeddings") {
    return task.inputs.reduce((sum, input) => sum + (input.kind === "tokens" ? input.tokens.length : 0), 0);
  }
  return task?.kind === "rerank" ? textTokens(task.query) * (task.documents.length - 1) : 0;
}

/** Tokens of what was delivered, for a provider that gave no usage; 0 only for no text at all. */
export function estimateCompletionTokens(text: string): number {
  return Math.ceil(textTokens(text));
}

type CharsOf = (text: string) => number;

function messageTokens(message: Message, charsOf: CharsOf): number {
  let tokens = TOKENS_PER_MESSAGE;
  for (const part of message.parts) tokens += partTokens(part, charsOf);
  if (message.role !== "assistant") return tokens;
  for (const call of message.toolCalls) tokens += TOKENS_PER_TOOL + textTokens(call.name) + textTokens(call.input);
  for (const detail of message.reasoning) {
    tokens += textTokens(detail.text ?? "") + textTokens(detail.summary ?? "") + textTokens(detail.data ?? "");
  }
  return tokens;
}

function partTokens(part: Part, charsOf: CharsOf): number {
  switch (part.type) {
    case "text": {
      // A text may quote a data URL.
      const cut = charsOf(part.text) - part.text.length;
      return textTokens(part.text) + (cut * UPPER) / UNIT;
    }
    case "image":
      return TOKENS_PER_IMAGE;
    case "audio": {
      const isPlain = part.format === "wav" || part.format.startsWith("pcm");
      return mediaTokens(charsOf(part.data), isPlain ? PCM_BYTES_PER_TOKEN : AUDIO_BYTES_PER_TOKEN);
    }
    case "video":
      return videoTokens(part, charsOf);
    case "file":
      return part.data?.startsWith("data:") === true
        ? mediaTokens(charsOf(part.data), FILE_BYTES_PER_TOKEN)
        : TOKENS_PER_REMOTE_FILE;
    default:
      return part satisfies never;
  }
}

/** By its frames, by the seconds that are looked at where both ends are told, by its size; else a constant. */
function videoTokens({ url, range, frames }: VideoPart, charsOf: CharsOf): number {
  if (frames !== undefined && frames.length > 0) return frames.length * TOKENS_PER_IMAGE;
  if (range?.endS !== undefined) {
    const seconds = Math.max(1, range.endS - (range.startS ?? 0));
    return Math.min(MEDIA_TOKENS_MAX, Math.ceil(seconds * VIDEO_TOKENS_PER_S * Math.max(1, range.fps ?? 1)));
  }
  if (url.startsWith("data:")) return mediaTokens(charsOf(url), VIDEO_BYTES_PER_TOKEN);
  return TOKENS_PER_REMOTE_VIDEO;
}

function mediaTokens(base64Chars: number, bytesPerToken: number): number {
  return Math.min(MEDIA_TOKENS_MAX, Math.ceil((base64Chars * BASE64_BYTES_PER_CHAR) / bytesPerToken));
}

/** Fractional tokens of a text. */
function textTokens(text: string): number {
  const { length } = text;
  if (length <= SAMPLE_CHARS_MAX) return weigh(text, 0, length) / UNIT;
  const blocks = SAMPLE_CHARS_MAX / BLOCK_CHARS;
  const stride = (length - BLOCK_CHARS) / (blocks - 1);
  let weight = 0;
  for (let block = 0; block < blocks; block++) {
    const from = Math.floor(block * stride);
    weight += weigh(text, from, from + BLOCK_CHARS);
  }
  return (weight / UNIT) * (length / SAMPLE_CHARS_MAX);
}

function weigh(text: string, from: number, to: number): number {
  let weight = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    weight += code < 128 ? (ASCII_WEIGHTS[code] ?? 0) : wideWeight(code);
  }
  return weight;
}

function wideWeight(code: number): number {
  if (code < 0x0370) return LATIN_EXTENDED;
  if (code < 0x0900) return ALPHABETIC;
  if (code < 0x1100) return ABUGIDA;
  return code >= 0xd800 && code <= 0xdfff ? SURROGATE : CJK;
}

function asciiWeight(code: number): number {
  if (code >= 97 && code <= 122) return LOWER;
  if (code >= 65 && code <= 90) return UPPER;
  if (code >= 48 && code <= 57) return DIGIT;
  if (code === 32 || code === 9) return SPACE;
  return code === 10 ? NEWLINE : PUNCTUATION;
}
