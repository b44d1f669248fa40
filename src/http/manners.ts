/**
 * What clients of a path expect beside its answers: the shape of errors, whichever part of the house raised them (an
 * unknown method and a bug included), and where a key may stand. A new dialect is one line in MANNERS.
 */
import { renderAnthropicError } from "../dialects/anthropic-messages-reply.ts";
import type { ErrorRenderer } from "../dialects/dialect.ts";
import { renderGeminiError } from "../dialects/gemini-reply.ts";
import { renderOpenAiChatError } from "../dialects/openai-chat-reply.ts";
import { renderOpenAiResponsesError } from "../dialects/openai-responses-reply.ts";

export interface Manners {
  readonly renderError: ErrorRenderer;
  /** `?key=` is taken for a key. Elsewhere it is not: addresses end up in logs of others. */
  readonly takesKeyInQuery: boolean;
}

const USUAL: Manners = { renderError: renderOpenAiChatError, takesKeyInQuery: false };

/** By the beginning of the path; the first that fits counts. */
const MANNERS: readonly { readonly path: RegExp; readonly manners: Manners }[] = [
  {
    path: /^\/(api\/)?v1(beta\/|\/models\/.*:\w*(Content|Tokens)$)/,
    manners: { renderError: renderGeminiError, takesKeyInQuery: true },
  },
  { path: /^(\/api)?\/v1\/messages(\/|$)/, manners: { ...USUAL, renderError: renderAnthropicError } },
  { path: /^(\/api)?\/v1\/responses$/, manners: { ...USUAL, renderError: renderOpenAiResponsesError } },
];

/** The manners at a path. */
export function mannersAt(path: string): Manners {
  return MANNERS.find((one) => one.path.test(path))?.manners ?? USUAL;
}
