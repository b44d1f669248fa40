/**
 * From what a client asked for to a plan: models resolved, preferences read, facts gathered, the seed chosen.
 */
import { entryFacts, type EntryFacts } from "../catalog/entry.ts";
import type { ResolvedModel } from "../catalog/resolve.ts";
import { inputModalities, requestedParameters, type ChatRequest } from "../core/chat.ts";
import { hash32 } from "../core/clock.ts";
import type { RouterError } from "../core/error.ts";
import type { Attachments } from "../core/attachments.ts";
import { estimatePromptTokens, longestPromptTokens } from "../core/estimate.ts";
import type { AccountId, Home, KeyHash, ModelId, RequestId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import { holdsYouTube } from "../core/video.ts";
import type { ParsedBody } from "../dialects/dialect.ts";
import type { Restriction } from "../gates/account-contract.ts";
import type { ByokView } from "../gates/byok-client.ts";
import { isAllowed } from "../limits/tenant-limits.ts";
import { byokRules } from "./byok.ts";
import { sessionKey, startKey } from "./conversation.ts";
import type { RequestFacts } from "./filter.ts";
import { clientBucket, type Place } from "./geography.ts";
import { reasonableModels } from "./mandatory-reasoning.ts";
import { byStanding, namedModels, type RouterChoice } from "./named-models.ts";
import { reachableLimit } from "./output-limit.ts";
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
  /** What a router chose, and why; absent: the models were named. */
  readonly choice?: RouterChoice;
}

/** How often a router chooses for one request: again where no endpoint of what it chose can serve. */
const CHOICES_MAX = 3;

/**
 * @returns `bad_request` for preferences or reasoning, `unknown_model` for the first name that the catalog lacks,
 * `no_endpoints` where a router finds no model, `overloaded`.
 */
export async function routeOf(input: RouteInput, ports: RouterPorts): Promise<Result<Route, RouterError>> {
  const tried = new Set<string>();
  let before: Result<Route, RouterError> | null = null;
  for (let choices = 1; ; choices++) {
    const made = await routeOnce(input, tried, ports);
    // What was chosen first says better why nothing can serve than that nothing else is left.
    if (!made.ok) return before ?? made;
    const { choice, plan: planned } = made.value;
    if (choice === undefined || planned.candidates.length > 0 || choices === CHOICES_MAX) return made;
    for (const id of choice.models) tried.add(id);
    before ??= made;
  }
}

async function routeOnce(
  input: RouteInput,
  tried: ReadonlySet<string>,
  ports: RouterPorts,
): Promise<Result<Route, RouterError>> {
  const { parsed } = input;
  const preferences = parsePreferences(parsed.provider);
  if (!preferences.ok) return preferences;
  const asked = factsOf(parsed.request, input.attachments);
  const found = await namedModels(input, { preferences: preferences.value, facts: asked.facts, tried }, ports);
  if (!found.ok) return found;
  const { models: named, choice } = found.value;
  const mayUse = ({ entry }: ResolvedModel): boolean =>
    isAllowed(entry.model.id, input.restriction?.allowedModels ?? null);
  const able = reasonableModels(named.filter(mayUse), parsed.request.reasoning);
  if (!able.ok) return able;
  const usable = able.value.models;
  const wait = ports.providers.warm(ofAll(usable, ({ places }) => places));
  if (wait !== null) await wait;
  const isChosen = choice !== null && parsed.models.length === 1;
  const resolved = isChosen
    ? byStanding(usable, { facts: asked.facts, preferences: preferences.value }, ports)
    : usable;
  const first = resolved[0];
  if (first === undefined) return err({ kind: "bad_request", path: "model", message: "model: name a model" });

  const credentials = ports.providers.withCredential(ofAll(resolved, ({ slugs }) => slugs));
  const byok = byokRules(input.byok, input.keyHash, ports.byok.isCooling);
  const thought = withThinking(parsed.request, first.thinking);
  const { request, warnings: cuts } = reachableLimit(thought, parsed, resolved, { credentials, byok });
  const { promptTokens, facts } = request === parsed.request ? asked : factsOf(request, input.attachments);
  const sticky = stickyKeyOf(input, resolved);
  const made = plan({
    models: resolved.map(({ entry, sort }) => ({ entry, sort })),
    preferences: preferences.value,
    facts,
    switchedOff: ports.providers.switchedOff(),
    credentials,
    byok,
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
      ...cuts,
      ...resolved.flatMap((model) => model.warnings),
      ...made.warnings,
    ],
    byok: input.byok,
    credentialSeed: sticky === null ? null : hash32(sticky),
    ...(choice === null ? {} : { choice }),
  });
}

/** What routing must know of a request, and its whole prompt. */
function factsOf(
  request: ChatRequest,
  attachments: Attachments | null,
): { readonly facts: RequestFacts; readonly promptTokens: number } {
  const promptTokens = estimatePromptTokens(request, attachments);
  const facts = {
    parameters: requestedParameters(request),
    modalities: inputModalities(request.messages),
    hasYouTube: holdsYouTube(request.messages),
    outputModalities: request.modalities ?? null,
    promptTokensEstimate: longestPromptTokens(request, promptTokens),
    maxOutputTokens: request.maxOutputTokens ?? null,
  };
  return { facts, promptTokens };
}

/** Of one model, as nearly always, what its entry has. */
function ofAll<T>(models: readonly ResolvedModel[], of: (facts: EntryFacts) => readonly T[]): readonly T[] {
  const [first] = models;
  if (first !== undefined && models.length === 1) return of(entryFacts(first.entry));
  return models.flatMap(({ entry }) => of(entryFacts(entry)));
}

/** `:thinking` without a listing of its own turns reasoning on, unless the client says otherwise. */
function withThinking(request: ChatRequest, isThinking: boolean): ChatRequest {
  return isThinking && request.reasoning === undefined ? { ...request, reasoning: { enabled: true } } : request;
}

/**
 * What keeps a conversation together. Where a prompt cache may save money, its turns draw with one seed, so that they
 * meet the same endpoint and the same credential without any store. Null where nothing is cached.
 */
function stickyKeyOf({ parsed, account }: RouteInput, models: readonly ResolvedModel[]): string | null {
  const explicit = sessionKey(parsed, account);
  if (explicit !== null) return explicit;
  return models.some(({ entry }) => entryFacts(entry).mayCache) ? startKey(parsed.request, account) : null;
}
