/**
 * What a model name asks for beside the model: `author/slug:variant[:variant]`.
 * Static variants (`:free`, `:extended`, `:thinking`) are listings of their own when the catalog has them; dynamic ones
 * (`:nitro`, `:floor`, `:exacto`) change the order of the endpoints and never the pool. Pure; looks nothing up.
 */
import { err, ok, type Result } from "../core/result.ts";

/** How the endpoints are to be ordered, when the name says so. `exacto`: measured quality first. */
export type VariantSort = "throughput" | "price" | "exacto";

/** One name to look up. The first that the catalog has, wins. */
export interface Lookup {
  readonly name: string;
  /** Reasoning is to be enabled because the variant asks for it and has no listing; the model must support it. */
  readonly thinking: boolean;
  /** To be told to the client when this lookup is the one that was used. */
  readonly warning?: string | undefined;
}

export interface RequestedName {
  /** The name without any variant. */
  readonly base: string;
  /** At least one, in order of preference. */
  readonly lookups: readonly Lookup[];
  readonly sort?: VariantSort | undefined;
  /** The `:free` listing is asked for, and nothing else will do. */
  readonly isFree: boolean;
}

const SORTS: Readonly<Record<string, VariantSort>> = { nitro: "throughput", floor: "price", exacto: "exacto" };
const STATIC: readonly string[] = ["free", "extended", "thinking"];
/** The most suffixes that one name may carry. */
const SUFFIXES_MAX = 4;
/** Longest piece of a wrong suffix that is repeated. */
const ECHO_CHARS_MAX = 40;

/** Words a variant that is not known, or that contradicts another. */
export interface VariantFault {
  readonly message: string;
}

/**
 * Splits a requested name into what to look up and how to order.
 * @returns a fault for an unknown suffix, two static ones, two sorts, or more than four suffixes.
 */
export function readVariants(requested: string): Result<RequestedName, VariantFault> {
  const [base = "", ...suffixes] = requested.trim().split(":");
  if (suffixes.length > SUFFIXES_MAX) return err({ message: `at most ${SUFFIXES_MAX} variants can be combined` });
  const statics: string[] = [];
  const sorts: VariantSort[] = [];
  for (const suffix of suffixes) {
    const sort = Object.hasOwn(SORTS, suffix) ? SORTS[suffix] : undefined;
    if (sort !== undefined) {
      if (!sorts.includes(sort)) sorts.push(sort);
    } else if (STATIC.includes(suffix)) {
      if (!statics.includes(suffix)) statics.push(suffix);
    } else {
      return err({
        message: `":${suffix.slice(0, ECHO_CHARS_MAX)}" is not a variant; known are ${[...STATIC, ...Object.keys(SORTS)].map((name) => `:${name}`).join(" ")}`,
      });
    }
  }
  if (sorts.length > 1) return err({ message: "only one of :nitro, :floor and :exacto can be given" });
  if (statics.length > 1) return err({ message: "only one of :free, :extended and :thinking can be given" });
  return ok({ base, lookups: lookupsOf(base, statics[0]), sort: sorts[0], isFree: statics[0] === "free" });
}

function lookupsOf(base: string, variant: string | undefined): readonly Lookup[] {
  if (variant === undefined) return [{ name: base, thinking: false }];
  const own: Lookup = { name: `${base}:${variant}`, thinking: false };
  switch (variant) {
    case "thinking":
      return [own, { name: base, thinking: true }];
    case "extended":
      return [
        own,
        {
          name: base,
          thinking: false,
          warning: `extended: ${base} has no longer listing, so its ordinary endpoints were used`,
        },
      ];
    default:
      return [own];
  }
}
