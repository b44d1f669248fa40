/**
 * A body of the legacy `POST /completions`: a prompt in place of messages, and the count that its `logprobs` is. Everything
 * else is what chat completions take, and is read by their parser. What a conversation cannot do is refused or reported:
 * an answer in the middle of a text (`suffix`), the prompt before the answer (`echo`), the best of several (`best_of`).
 * Source: https://platform.openai.com/docs/api-reference/completions (accessed 2026-11-21).
 */
import { ok, type Result } from "../core/result.ts";
import { openBody, refuse, type BadRequest } from "./body.ts";
import type { ParsedBody } from "./dialect.ts";
import { parseOpenAiChat } from "./openai-chat-parse.ts";

const LOGPROBS_MAX = 20;
/** Fields that have no place in a text. */
const REFUSED = ["messages", "tools", "tool_choice", "functions", "modalities"] as const;

/** @returns `bad_request` with the path of the first fault. */
export function parseCompletions(sent: unknown): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const { prompt: given, suffix, echo, best_of: bestOf, logprobs, ...rest } = opened.value;
  const prompt = promptOf(given);
  if (!prompt.ok) return prompt;
  for (const field of REFUSED) {
    if (isSet(rest[field])) return refuse(`${field} is not available in /completions: use /chat/completions`, field);
  }
  const counted = logprobsOf(logprobs);
  if (!counted.ok) return counted;
  const parsed = parseOpenAiChat({ ...rest, ...counted.value, messages: [{ role: "user", content: prompt.value }] });
  if (!parsed.ok) return parsed;
  const warnings = [...parsed.value.warnings];
  if (isSet(suffix) && suffix !== "") warnings.push("suffix is not available and was left out");
  if (echo === true) warnings.push("echo is not available and was left out");
  if (typeof bestOf === "number" && bestOf > 1) warnings.push("best_of is not available and was left out");
  return ok({ ...parsed.value, warnings, takesTools: false });
}

/** One prompt, in or out of a list. */
function promptOf(given: unknown): Result<string, BadRequest> {
  const one: unknown = Array.isArray(given) && given.length === 1 ? given[0] : given;
  if (typeof one === "string") return one === "" ? refuse("prompt must not be empty", "prompt") : ok(one);
  if (!isSet(given)) return refuse('Input required: specify "prompt"', "prompt");
  if (!Array.isArray(given)) return refuse("prompt must be a string, or a list of one", "prompt");
  const isTokens = given.length > 0 && given.every((item) => typeof item === "number" || Array.isArray(item));
  return refuse(
    isTokens
      ? "prompt must be text: tokens of one model mean nothing to another"
      : "prompt must be a string, or a list of one: send one request for each prompt",
    "prompt",
  );
}

function logprobsOf(count: unknown): Result<object, BadRequest> {
  if (!isSet(count) || count === false) return ok({});
  // Some clients send what the chat API takes.
  if (count === true) return ok({ logprobs: true });
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > LOGPROBS_MAX) {
    return refuse(`logprobs must be a whole number from 0 to ${LOGPROBS_MAX}`, "logprobs");
  }
  return ok({ logprobs: true, ...(count === 0 ? {} : { top_logprobs: count }) });
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined;
}
