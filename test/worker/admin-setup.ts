/** The operator's side of worker tests: calls to the API as the Worker serves it, and a small catalog to publish. */
import { env, exports } from "cloudflare:workers";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; tests look into it with matchers. */
  readonly body: Record<string, unknown>;
}

/** A call to `/api/v1/admin` + `path`. A string body goes out as it is. */
export async function operator(
  method: string,
  path: string,
  body?: unknown,
  bearer: string | null = env.OPERATOR_KEY,
): Promise<Reply> {
  return await call(method, `/api/v1/admin${path}`, body, bearer);
}

/** A call to any path. */
export async function call(method: string, path: string, body?: unknown, bearer: string | null = null): Promise<Reply> {
  const response = await exports.default.fetch(
    new Request(`https://waypost.test${path}`, {
      method,
      headers: {
        ...(bearer === null ? {} : { Authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  // Every answer of this API is a JSON object; the tests say which.
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: JSON.parse(text) as Record<string, unknown>,
  };
}

const SOURCE = "test/worker";

/** A valid catalog: two providers, the first with two regions, and one model at both. */
export function smallCatalog(name = "Small") {
  const provider = (slug: string, regions: readonly string[]) => ({
    slug,
    name: slug.toUpperCase(),
    adapter: "openai-compatible",
    base_url: `https://${slug}.test/v1`,
    regions: regions.map((id) => ({ id, latitude: 50.11, longitude: 8.68, jurisdiction: null, source: SOURCE })),
    data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: SOURCE },
    cancellation: { policy: "stops", source: SOURCE },
  });
  const endpoint = (slug: string) => ({
    tag: slug,
    provider: slug,
    upstream_model: "small",
    price: { prompt: 100_000, completion: 200_000 },
    price_source: SOURCE,
    context_length: 32_000,
    max_completion_tokens: 4_000,
    supported_parameters: ["temperature", "max_tokens"],
    input_modalities: ["text"],
  });
  return {
    version: 1,
    providers: [provider("alder", ["fra", "sea"]), provider("birch", ["fra"])],
    models: [
      {
        id: "forest/small",
        canonical_slug: "forest/small-2026-11-21",
        name,
        created_s: 1_790_000_000,
        input_modalities: ["text"],
        output_modalities: ["text"],
        endpoints: [endpoint("alder"), endpoint("birch")],
      },
    ],
  };
}
