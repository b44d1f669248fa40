/**
 * Models that the platform itself runs, asked by its binding instead of its REST API: no credential, no way out of the
 * colo's network. What the adapter of the OpenAI-compatible family would send to BINDING_BASE_URL becomes a call of the
 * binding, its raw answer the answer; everything around it (deadlines, decoder, prices) is the same. Only chat is asked so.
 * Source: https://developers.cloudflare.com/workers-ai/configuration/bindings/ (accessed 2026-11-21) and the types of
 * `Ai.run` in @cloudflare/workers-types.
 */
import { isObject, parseJson, stringOf } from "../core/json.ts";

/** What is used of the platform's `Ai`. */
export interface AiBinding {
  run(model: string, input: object, options: AiOptions): Promise<unknown>;
}

interface AiOptions {
  readonly returnRawResponse: true;
  readonly signal?: AbortSignal;
  readonly gateway?: { readonly id: string };
}

/** Stands in the place of a base URL; no network has it. */
export const BINDING_BASE_URL = "binding://ai";
/** What stands in the place of a credential: nobody is shown it. */
const BINDING_CREDENTIAL = "ai-binding-of-this-deployment";
/** What an environment with the binding says of its provider. */
export const BOUND = { secret: BINDING_CREDENTIAL, baseUrl: BINDING_BASE_URL } as const;

const CHAT = `${BINDING_BASE_URL}/chat/completions`;
/** Fields of the compatible API that the binding does not know: usage comes unasked, and the account is the operator's. */
const NOT_KNOWN: ReadonlySet<string> = new Set(["model", "stream_options", "user"]);

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The binding among what a deployment has; null when there is none. */
export function aiBindingIn(env: object): AiBinding | null {
  const found: unknown = Object.hasOwn(env, "AI") ? (env as { readonly AI: unknown }).AI : undefined;
  // A stub of another Worker is a function that has whatever it is asked for.
  const isCallable = (typeof found === "object" && found !== null) || typeof found === "function";
  return isCallable && typeof (found as Partial<AiBinding>).run === "function" ? (found as AiBinding) : null;
}

/** `network`, but what goes to BINDING_BASE_URL goes to `binding`; by way of an AI Gateway, if one is named. */
export function withAiBinding(network: Fetch, binding: AiBinding | null, gateway: string | undefined): Fetch {
  if (binding === null) return network;
  return (url, init) =>
    url.startsWith(BINDING_BASE_URL) ? askBinding(binding, url, init, gateway) : network(url, init);
}

async function askBinding(binding: AiBinding, url: string, init: RequestInit, gateway?: string): Promise<Response> {
  if (url !== CHAT) return refusal(404, "The binding is asked for conversations only.");
  const body = parseJson(await new Response(init.body ?? "").text());
  const model = isObject(body) ? stringOf(body["model"]) : undefined;
  if (!isObject(body) || model === undefined) return refusal(400, "The request names no model.");
  const input = Object.fromEntries(Object.entries(body).filter(([name]) => !NOT_KNOWN.has(name)));
  const { signal } = init;
  signal?.throwIfAborted();
  const options = {
    returnRawResponse: true,
    ...(signal instanceof AbortSignal ? { signal } : {}),
    ...(gateway === undefined ? {} : { gateway: { id: gateway } }),
  } as const;
  try {
    const answer = await binding.run(model, input, options);
    return answer instanceof Response ? answer : Response.json(answer);
  } catch (error) {
    signal?.throwIfAborted();
    return refusal(500, error instanceof Error ? error.message : "The binding failed.");
  }
}

/** In the form of the platform's own errors. */
function refusal(status: number, message: string): Response {
  // `3040: Capacity temporarily exceeded`
  const [, code] = /^(\d{3,5}): /.exec(message) ?? [];
  return Response.json({ success: false, errors: [{ code: Number(code ?? 0), message }] }, { status });
}
