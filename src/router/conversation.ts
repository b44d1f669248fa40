/** What one conversation is known by from turn to turn, without any store. Pure. */
import type { ChatRequest } from "../core/chat.ts";
import type { AccountId } from "../core/ids.ts";
import type { ParsedBody } from "../dialects/dialect.ts";

/** Characters of the conversation's start that its key looks at. */
const START_CHARS = 1_000;

/** By the client's own word: its session, or the key of its prompt cache; null when it said nothing. */
export function sessionKey(parsed: ParsedBody, account: AccountId): string | null {
  const explicit = parsed.sessionId ?? parsed.request.promptCacheKey ?? null;
  return explicit === null ? null : `${account} ${explicit}`;
}

/** By how it began. Scoped to the account, so that nobody can steer another's traffic. */
export function startKey(request: ChatRequest, account: AccountId): string {
  const system = request.messages.find(({ role }) => role === "system" || role === "developer");
  const opening = request.messages.find(({ role }) => role !== "system" && role !== "developer");
  const start = [system, opening]
    .map((message) => message?.parts.find((part) => part.type === "text"))
    .map((part) => (part?.type === "text" ? part.text.slice(0, START_CHARS) : ""))
    .join("\n");
  return `${account} ${start}`;
}
