/** What tests of images and files share: models with eyes at providers of the test, and a question about a picture. */
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { ask, type Answer } from "./fixture.ts";

/** Bytes without a period that a piece's length could hide. */
export function aperiodicBytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => (at * 7919 + (at >> 8)) & 255);
}

export interface EyeProvider {
  readonly slug: string;
  readonly adapter: string;
  readonly quirks?: object;
}

/** Publishes `providers`, each with a credential, and models by the providers that serve them. */
export async function publishEyes(
  providers: readonly EyeProvider[],
  models: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const catalog = {
    version: 1,
    providers: providers.map(({ slug, adapter, quirks }) => ({
      slug,
      name: slug,
      adapter,
      base_url: `https://${slug}.test/v1`,
      ...(quirks === undefined ? {} : { quirks }),
      regions: [{ id: "here", latitude: null, longitude: null, jurisdiction: null, source: "test" }],
      data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: "test" },
      cancellation: { policy: "stops", source: "test" },
    })),
    models: Object.entries(models).map(([id, slugs]) => ({
      id,
      canonical_slug: id,
      name: id,
      created_s: 1_790_000_000,
      input_modalities: ["text", "image", "file"],
      output_modalities: ["text"],
      endpoints: slugs.map(endpointAt),
    })),
  };
  expect((await ask("PUT", "/admin/catalog", env.OPERATOR_KEY, catalog)).status).toBe(200);
  for (const { slug } of providers) {
    const switched = await ask("PATCH", `/admin/providers/${slug}`, env.OPERATOR_KEY, { credential: "of-the-test" });
    expect(switched.status).toBe(200);
  }
}

function endpointAt(provider: string): object {
  return {
    tag: provider,
    provider,
    upstream_model: "eye",
    price: { prompt: 1_000, completion: 1_000 },
    price_source: "test",
    context_length: 1_000_000,
    max_completion_tokens: 100,
    supported_parameters: ["max_tokens"],
    input_modalities: ["text", "image", "file"],
  };
}

/** What an OpenAI-like provider answers to `lookAt`. */
export const A_CAT = {
  choices: [{ index: 0, message: { role: "assistant", content: "A cat" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 900, completion_tokens: 2 },
};

/** Asks a model what is on `parts`. */
export async function lookAt(key: string, model: string, parts: readonly object[]): Promise<Answer> {
  return await ask("POST", "/chat/completions", key, {
    model,
    max_tokens: 10,
    messages: [{ role: "user", content: [{ type: "text", text: "What is this?" }, ...parts] }],
  });
}
