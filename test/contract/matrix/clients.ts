/** The one ordered list of the matrix's clients: one for every dialect. */
import { anthropicClient } from "./client-anthropic.ts";
import { geminiArrayClient, geminiClient } from "./client-gemini.ts";
import { chatClient, completionsClient } from "./client-openai-chat.ts";
import { responsesClient } from "./client-openai-responses.ts";
import type { Client } from "./words.ts";

export const CLIENTS: readonly Client[] = [
  chatClient,
  responsesClient,
  anthropicClient,
  geminiClient,
  geminiArrayClient,
  completionsClient,
];
