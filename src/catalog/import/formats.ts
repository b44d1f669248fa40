/** The formats of lists that can be imported, told apart by their shape. A new one is one file and one line here. */
import { isObject } from "../../core/json.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { Feed } from "./feed.ts";
import { isLiteLlm, readLiteLlm } from "./litellm.ts";
import { isModelsDev, readModelsDev } from "./models-dev.ts";
import { isOpenRouterList, readOpenRouterList } from "./openrouter-list.ts";

type Document = Readonly<Record<string, unknown>>;

const FORMATS: readonly {
  readonly is: (document: Document) => boolean;
  readonly read: (document: Document) => Feed;
}[] = [
  { is: isOpenRouterList, read: readOpenRouterList },
  { is: isModelsDev, read: readModelsDev },
  { is: isLiteLlm, read: readLiteLlm },
];

/** @returns an error sentence for a document of no known shape. */
export function readFeed(document: unknown): Result<Feed, string> {
  const format = isObject(document) ? FORMATS.find(({ is }) => is(document)) : undefined;
  if (format !== undefined && isObject(document)) return ok(format.read(document));
  return err("This is none of the known lists: models.dev's api.json, OpenRouter's /models, LiteLLM's price map.");
}
