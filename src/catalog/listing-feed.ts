/**
 * The list of models as an RSS 2.0 feed (https://www.rssboard.org/rss-specification): one item a model, with its price
 * and context in the text. Pure; every text is escaped.
 */
import type { PublicModel } from "./listing.ts";
import { CHOSEN_PRICE } from "./router-listing.ts";

/** Where the feed is served: `https://host`, and the path of the API before `/models`. */
export interface FeedPlace {
  readonly origin: string;
  readonly path: string;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** The feed of these models, in their order. */
export function feedOf(models: readonly PublicModel[], { origin, path }: FeedPlace): string {
  const items = models.map((model) => itemOf(model, `${origin}${path}`)).join("");
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel><title>Models</title>` +
    `<link>${textOf(`${origin}${path}/models`)}</link><description>Models that can be used here</description>` +
    `${items}</channel></rss>\n`
  );
}

function itemOf(model: PublicModel, base: string): string {
  const { prompt, completion } = model.pricing;
  const price =
    prompt === CHOSEN_PRICE
      ? "the price of the model that is chosen."
      : `USD ${prompt} per prompt token, ${completion} per completion token.`;
  const facts = `${model.context_length} tokens of context; ${price}`;
  const date = model.created > 0 ? `<pubDate>${new Date(model.created * 1_000).toUTCString()}</pubDate>` : "";
  return (
    `<item><title>${textOf(model.name)}</title><link>${textOf(`${base}/models/${model.id}/endpoints`)}</link>` +
    `<guid isPermaLink="false">${textOf(model.id)}</guid>${date}` +
    `<description>${textOf([model.description, facts].filter((text) => text !== "").join("\n\n"))}</description></item>`
  );
}

/** Without control characters, which XML 1.0 cannot hold, except tabs and line breaks. */
function textOf(text: string): string {
  return text.replace(/[^\P{Cc}\t\n\r]/gu, "").replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}
