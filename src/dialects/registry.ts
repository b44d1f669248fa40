/** Every dialect that clients may speak, in one ordered list; the contract suite loops over it. */
import type { Dialect } from "./dialect.ts";
import { openAiChat } from "./openai-chat.ts";

export const dialects: readonly Dialect[] = [openAiChat];
