/**
 * From what a client asked for to a plan: models resolved, preferences read, facts gathered, the seed chosen.
 */
import type { ResolvedModel } from "../catalog/resolve.ts";
import type { ModelEntry } from "../catalog/schema.ts";
import { inputModalities, requestedParameters, type ChatRequest } from "../core/chat.ts";
import { hash32 } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { Attachments } from "../core/attachments.ts";
import { estimatePromptTokens, longestPromptTokens } from "../core/estimate.ts";
import type { AccountId, Home, KeyHash, ModelId, RequestId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ParsedBody } from "../dialects/dialect.ts";
import type { Restriction } from "../gates/account-contract.ts";
import type { ByokView } from "../gates/byok-client.ts";
import { isAllowed } from "../limits/tenant-limits.ts";
import { byokRules } from "./byok.ts";
import { clientBucket, type Place } from "./geography.ts";
import { reasonableModels } from "./mandatory-reasoning.ts";
import { plan, type Plan } from "./plan.ts";
import type { RouterPorts } from "./ports.ts";
import { parsePreferences } from "./preferences.ts";

export interface RouteInput {
  readonly parsed: ParsedBody;
  readonly attachments: Attachments | null;
  readonly account: AccountId;
  readonly home: Home;
  readonly requestId: RequestId;
  readonly place: Place | null;
  /** What the key may use; absent as long as its gate has not said so. */
  readonly restriction?: Restriction | undefined;
  readonly keyHash: KeyHash;
  /** The account's own provider credentials, as far as this isolate knows. */
  readonly byok: ByokView;
}

export interface Route {
  readonly plan: Plan;
  /** The client's request, with what a variant adds to it. */
  readonly request: ChatRequest;
  /** Those of the models that are `:free` listings: counted against the free tier, and free of charge. */
  readonly freeModels: ReadonlySet<ModelId>;
  readonly promptTokens: number;
  readonly catalogVersion: string;
  readonly modelIds: readonly string[];
  readonly warnings: readonly string[];
  /** What it was made with. */
  readonly byok: ByokView;
  /** Keeps a conversation at the credential whose prompt cache it fills; null: any will do. */
  readonly credentialSeed: number | null;
}

/** Characters of the conversation's start that its sticky key looks at. */
const STICKY_CHARS = 1_000;

/** @returns `bad_request` for preferences or reasoning, `unknown_model` for the first name that the catalog lacks, `overloaded`. */
export async function routeOf(input: RouteInput, ports: RouterPorts): Promise<Result<Route, RouterError>> {
  const { parsed } = input;
  const preferences = parsePreferences(parsed.provider);
  if (!preferences.ok) return preferences;
  const named: ResolvedModel[] = [];
  for (const name of parsed.models) {
    const found = await ports.resolve(name);
    if (!found.ok) return found;
    named.push(found.value);
  }
  const mayUse = ({ entry }: ResolvedModel): boolean =>
    isAllowed(entry.model.id, input.restriction?.allowedModels ?? null);
  const able = reasonableModels(named.filter(mayUse), parsed.request.reasoning);
  if (!able.ok) return able;
  const resolved = able.value.models;
  const first = resolved[0];
  if (first === undefined) return err({ kind: "bad_request", path: "model", message: "model: name a model" });

  const places = resolved.length === 1 ? placesOf(first.entry) : resolved.flatMap(({ entry }) => placesOf(entry));
  const wait = ports.providers.warm(places);
  if (wait !== null) await wait;

  const request = withThinking(parsed.request, first.thinking);
  const promptTokens = estimatePromptTokens(request, input.attachments);
  const slugs = resolved.flatMap((model) => model.entry.providers.map((provider) => provider.slug));
  const sticky = stickyKeyOf(input, resolved);
  const made = plan({
    models: resolved.map(({ entry, sort }) => ({ entry, sort })),
    preferences: preferences.value,
    facts: {
      parameters: requestedParameters(request),
      modalities: inputModalities(request.messages),
      outputModalities: request.modalities ?? null,
      promptTokensEstimate: longestPromptTokens(request, promptTokens),
      maxOutputTokens: request.maxOutputTokens ?? null,
    },
    switchedOff: ports.providers.switchedOff(),
    credentials: ports.providers.withCredential(slugs),
    byok: byokRules(input.byok, input.keyHash, ports.byok.isCooling),
    accountHome: input.home,
    allowedProviders: input.restriction?.allowedProviders,
    place: input.place,
    bucket: clientBucket(input.place),
    health: ports.providers.health,
    seed: preferences.value.order === null ? (sticky ?? input.requestId) : input.requestId,
    nowMs: ports.clock(),
  });
  return ok({
    plan: made,
    request,
    freeModels: new Set(resolved.filter((model) => model.isFree).map((model) => model.entry.model.id)),
    promptTokens,
    catalogVersion: first.version,
    modelIds: resolved.map((model) => model.entry.model.id),
    warnings: [
      ...parsed.warnings,
      ...named
        .filter((model) => !mayUse(model))
        .map(({ entry }) => `${entry.model.id} was not tried: this API key may not use it.`),
      ...able.value.warnings,
      ...resolved.flatMap((model) => model.warnings),
      ...made.warnings,
    ],
    byok: input.byok,
    credentialSeed: sticky === null ? null : hash32(sticky),
  });
}

type Places = Parameters<RouterPorts["providers"]["warm"]>[0];

// The places of a model, made once per published entry; entries leave the reader's cache, and with them these.
const placesByEntry = new WeakMap<ModelEntry, Places>();

function placesOf(entry: ModelEntry): Places {
  const known = placesByEntry.get(entry);
  if (known !== undefined) return known;
  const places = entry.providers.flatMap((provider) =>
    provider.regions.map((region) => ({ provider: provider.slug, region: region.id })),
  );
  placesByEntry.set(entry, places);
  return places;
}

/** `:thinking` without a listing of its own turns reasoning on, unless the client says otherwise. */
function withThinking(request: ChatRequest, isThinking: boolean): ChatRequest {
  return isThinking && request.reasoning === undefined ? { ...request, reasoning: { enabled: true } } : request;
}

/**
 * What keeps a conversation together. Where a prompt cache may save money, its turns draw with one seed, so that they
 * meet the same endpoint and the same credential without any store; scoped to the account, so that nobody can steer
 * another's traffic. Null where nothing is cached.
 */
function stickyKeyOf(input: RouteInput, models: readonly ResolvedModel[]): string | null {
  const { parsed, account } = input;
  const explicit = parsed.sessionId ?? parsed.request.promptCacheKey ?? null;
  if (explicit !== null) return `${account} ${explicit}`;
  const caches = models.some(({ entry }) =>
    entry.model.endpoints.some(
      ({ price, supports_implicit_caching }) => supports_implicit_caching || price?.input_cache_read !== undefined,
    ),
  );
  return caches ? `${account} ${startOf(parsed.request)}` : null;
}

function startOf(request: ChatRequest): string {
  const system = request.messages.find(({ role }) => role === "system" || role === "developer");
  const opening = request.messages.find(({ role }) => role !== "system" && role !== "developer");
  return [system, opening]
    .map((message) => message?.parts.find((part) => part.type === "text"))
    .map((part) => (part?.type === "text" ? part.text.slice(0, STICKY_CHARS) : ""))
    .join("\n");
}
