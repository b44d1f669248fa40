/** What `npm start` prints when it serves: where, with which key, and a request to paste. Pure. */
import type { Catalog, Model } from "../catalog/schema.ts";

export interface Welcome {
  readonly url: string;
  readonly key: string;
  /** A catalog of the operator is live, not the default one. */
  readonly keepsOwnCatalog: boolean;
  readonly operatorKey: string;
  /** Path of the data folder. */
  readonly dataDir: string;
  readonly catalog: Catalog;
  /** Slugs of the providers that have a credential; null: the demo upstream stands in for all of them. */
  readonly providers: readonly string[] | null;
}

/** The text, with a line end. Each value stands at the end of a line of its own, so that a script can read it. */
export function welcome({ url, key, keepsOwnCatalog, operatorKey, dataDir, catalog, providers }: Welcome): string {
  const upstream =
    providers === null
      ? "demo: no provider credential is set, a local mock answers for every provider"
      : providers.join(", ");
  return `
Waypost is ready.

  API base:      ${url}/api/v1
  Key:           ${key}
  Operator key:  ${operatorKey}
  Data folder:   ${dataDir}
  Upstreams:     ${upstream}
  Catalog:       ${keepsOwnCatalog ? "the one you published (npm run catalog -- publish brings the default back)" : "default"}

Try it:

  curl -N ${url}/api/v1/chat/completions \\
    -H "Authorization: Bearer ${key}" \\
    -H "Content-Type: application/json" \\
    -d '{"model": "${exampleModel(catalog, providers)}", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'

`;
}

/** A model that can be served: the one with most endpoints among `providers`, so that routing has something to do. */
function exampleModel(catalog: Catalog, providers: readonly string[] | null): string {
  const count = (model: Model): number =>
    model.endpoints.filter(
      ({ price, provider }) => price !== null && price.completion > 0 && (providers?.includes(provider) ?? true),
    ).length;
  const [best] = catalog.models
    .filter((model) => model.output_modalities.length === 1 && model.output_modalities[0] === "text")
    .sort((one, other) => count(other) - count(one) || one.id.localeCompare(other.id));
  return best?.id ?? "author/model";
}
