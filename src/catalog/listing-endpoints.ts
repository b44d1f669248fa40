/**
 * What the endpoints of a model look like from outside. Pure.
 * Statistics come in as an argument; what was never measured is null.
 */
import type { ListedPrice } from "../core/price.ts";
import {
  architectureOf,
  publicParameters,
  publicPricing,
  type PublicArchitecture,
  type PublicPricing,
} from "./listing.ts";
import type { ListedEndpoint, ListedModel, ModelEntry, Provider, Quantization } from "./schema.ts";

/** Quantiles of what was measured. */
export interface Percentiles {
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
}

/** What was measured at one endpoint lately. Uptimes are percentages; null: too little was seen. */
export interface EndpointStatistics {
  /** 0 healthy, -1 degraded, -2 down, -5 switched off, -10 no credential. */
  readonly status: 0 | -1 | -2 | -3 | -5 | -10;
  readonly uptimeLast5mPercent: number | null;
  readonly uptimeLast30mPercent: number | null;
  readonly uptimeLast1dPercent: number | null;
  /** Time to the first token. */
  readonly latencyLast30mMs: Percentiles | null;
  readonly throughputLast30mTokensPerS: Percentiles | null;
  /** How well its answers of the last two hours kept the form that was asked for. */
  readonly toolCalls: QualityStatistics;
  readonly structuredOutputs: QualityStatistics;
  /** What clients of one region of the world had of it; null: of no region in particular was asked. */
  readonly client: ClientStatistics | null;
}

/** How well answers keep their form. */
export interface QualityStatistics {
  /** `unproven`: too few answers, or too near to a line. */
  readonly tier: "good" | "unproven" | "weak" | "poor";
  /** Null: too few. */
  readonly successPercent: number | null;
}

/** The same of the last 30 minutes, for clients of a region. */
export interface ClientStatistics {
  /** One of the nine that clients are counted under, such as `weur`. */
  readonly region: string;
  readonly uptimePercent: number | null;
  readonly latencyMs: Percentiles | null;
  readonly throughputTokensPerS: Percentiles | null;
}

/** The values of `tool_choice` that an endpoint takes, as its provider declares them. */
export interface ToolChoiceSupport {
  readonly auto: boolean;
  readonly none: boolean;
  readonly required: boolean;
  readonly function: boolean;
}

export interface PublicEndpoint {
  readonly name: string;
  readonly model_id: string;
  readonly model_name: string;
  readonly provider_name: string;
  readonly tag: string;
  readonly context_length: number;
  readonly max_completion_tokens: number | null;
  readonly max_prompt_tokens: number | null;
  readonly quantization: Quantization;
  /** What it runs on; null where that is not documented. */
  readonly hardware: string | null;
  readonly reserved_capacity: boolean;
  readonly pricing: PublicPricing;
  readonly supported_parameters: readonly string[];
  readonly supports_implicit_caching: boolean;
  readonly supports_tool_choice: ToolChoiceSupport;
  readonly supports_voice_cloning: false;
  readonly status: EndpointStatistics["status"];
  readonly uptime_last_5m: number | null;
  readonly uptime_last_30m: number | null;
  readonly uptime_last_1d: number | null;
  readonly latency_last_30m: Percentiles | null;
  readonly throughput_last_30m: Percentiles | null;
  /** Answers whose tool calls could be run, and whose structured output could be read. */
  readonly tool_calls: PublicQuality;
  readonly structured_outputs: PublicQuality;
  /** The same for clients of one region; null where none was named and the asker's is not known. */
  readonly client_region: {
    readonly region: string;
    readonly uptime_last_30m: number | null;
    readonly latency_last_30m: Percentiles | null;
    readonly throughput_last_30m: Percentiles | null;
  } | null;
}

export interface PublicQuality {
  readonly tier: QualityStatistics["tier"];
  readonly success_last_2h: number | null;
}

export interface PublicModelEndpoints {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly description: string;
  readonly architecture: PublicArchitecture;
  readonly endpoints: readonly PublicEndpoint[];
}

/** The answer of `/models/{author}/{slug}/endpoints`; `statisticsOf` gets an endpoint's tag. Unpriced ones are left out. */
export function publicModelEndpoints(
  entry: ModelEntry,
  statisticsOf: (tag: string) => EndpointStatistics | undefined,
): PublicModelEndpoints {
  const { model, providers } = entry;
  return {
    id: model.id,
    name: model.name,
    created: model.created_s,
    description: model.description,
    architecture: architectureOf(model),
    endpoints: model.endpoints.flatMap((endpoint) => {
      const provider = providers.find((known) => known.slug === endpoint.provider);
      if (provider === undefined || endpoint.price === null) return [];
      return [publicEndpoint(model, endpoint, endpoint.price, provider, statisticsOf(endpoint.tag))];
    }),
  };
}

/** The priced endpoints of a model that promise zero data retention, without any figures. */
export function zdrEndpoints(entry: ModelEntry): readonly PublicEndpoint[] {
  const promises = new Set<string>(
    entry.model.endpoints
      .filter((endpoint) => {
        const provider = entry.providers.find((known) => known.slug === endpoint.provider);
        return (endpoint.data_policy ?? provider?.data_policy)?.zdr === true;
      })
      .map((endpoint) => endpoint.tag),
  );
  return publicModelEndpoints(entry, () => undefined).endpoints.filter(({ tag }) => promises.has(tag));
}

function publicEndpoint(
  model: ListedModel,
  endpoint: ListedEndpoint,
  price: ListedPrice,
  provider: Provider,
  statistics: EndpointStatistics | undefined,
): PublicEndpoint {
  return {
    name: `${provider.name}: ${model.name}`,
    model_id: model.id,
    model_name: model.name,
    provider_name: provider.name,
    tag: endpoint.tag,
    context_length: endpoint.context_length,
    max_completion_tokens: endpoint.max_completion_tokens,
    max_prompt_tokens: endpoint.max_prompt_tokens,
    quantization: endpoint.quantization,
    hardware: endpoint.hardware ?? null,
    reserved_capacity: endpoint.reserved_capacity === true,
    pricing: publicPricing(price),
    supported_parameters: publicParameters(new Set(endpoint.supported_parameters)),
    supports_implicit_caching: endpoint.supports_implicit_caching,
    supports_tool_choice: toolChoiceSupport(endpoint.supported_parameters),
    supports_voice_cloning: false,
    status: statistics?.status ?? 0,
    uptime_last_5m: statistics?.uptimeLast5mPercent ?? null,
    uptime_last_30m: statistics?.uptimeLast30mPercent ?? null,
    uptime_last_1d: statistics?.uptimeLast1dPercent ?? null,
    latency_last_30m: statistics?.latencyLast30mMs ?? null,
    throughput_last_30m: statistics?.throughputLast30mTokensPerS ?? null,
    tool_calls: publicQuality(statistics?.toolCalls),
    structured_outputs: publicQuality(statistics?.structuredOutputs),
    client_region: clientRegion(statistics?.client ?? null),
  };
}

function publicQuality(quality: QualityStatistics | undefined): PublicQuality {
  return { tier: quality?.tier ?? "unproven", success_last_2h: quality?.successPercent ?? null };
}

function clientRegion(client: ClientStatistics | null): PublicEndpoint["client_region"] {
  if (client === null) return null;
  const { region, uptimePercent, latencyMs, throughputTokensPerS } = client;
  return {
    region,
    uptime_last_30m: uptimePercent,
    latency_last_30m: latencyMs,
    throughput_last_30m: throughputTokensPerS,
  };
}

/** Without `tool_choice` an endpoint with tools still decides by itself. */
function toolChoiceSupport(parameters: readonly string[]): ToolChoiceSupport {
  const isTaken = parameters.includes("tool_choice");
  return { auto: isTaken || parameters.includes("tools"), none: isTaken, required: isTaken, function: isTaken };
}
