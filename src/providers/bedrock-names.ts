/**
 * What the names at Bedrock say: a model's vendor, the AWS region behind an endpoint, and the inference profile of a
 * geography. Pure.
 * Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html,
 * https://docs.aws.amazon.com/general/latest/gr/bedrock.html (accessed 2026-11-21).
 */
import { err, ok, type Result } from "../core/result.ts";
import type { Target } from "./adapter.ts";
import { ANTHROPIC_FORMAT } from "./anthropic-messages.ts";

const AWS_REGION = /^[a-z]{2}(?:-[a-z]+){1,3}-\d$/;
/** Stands in the catalog's model name for the profile of the region's geography. */
const GEOGRAPHY = "{geo}";
/** Beginnings of regions and the profiles that their requests may use; the first that fits decides. */
const PROFILES: readonly (readonly [string, string])[] = [
  ["us-gov-", "us-gov"],
  ["us-", "us"],
  ["eu-", "eu"],
  ["ap-", "apac"],
];

/** What a profile's name may begin with. */
const PROFILE_NAMES = new Set([...PROFILES.map(([, profile]) => profile), GEOGRAPHY, "jp", "au", "ca", "global"]);

/** The AWS region to sign for: the catalog's, else the one in the host's name; null when neither tells. */
export function awsRegionOf(target: Target): string | null {
  if (target.region !== undefined && AWS_REGION.test(target.region)) return target.region;
  const labels = /^https?:\/\/([^/:]+)/.exec(target.baseUrl)?.[1]?.split(".") ?? [];
  return labels.find((label) => AWS_REGION.test(label)) ?? null;
}

/**
 * The model as it stands in the path: a model, a profile (`us.`, `eu.`, `global.`) or an ARN, its colons and slashes
 * escaped. `{geo}` becomes the profile of the endpoint's region.
 * @returns an error sentence when the region has no such profile.
 */
export function modelPathOf(target: Target): Result<string, string> {
  const { upstreamModel } = target;
  if (!upstreamModel.includes(GEOGRAPHY)) return ok(encodeURIComponent(upstreamModel));
  const region = awsRegionOf(target);
  const profile = PROFILES.find(([beginning]) => region?.startsWith(beginning) === true)?.[1];
  if (profile === undefined) return err(`The provider has no inference profile for region ${region ?? "unknown"}.`);
  return ok(encodeURIComponent(upstreamModel.replace(GEOGRAPHY, profile)));
}

/** Who made the model: "anthropic" of `eu.anthropic.claude-...`; "" where the name does not say (own profiles). */
export function vendorOf(model: string): string {
  const labels = model.slice(model.lastIndexOf("/") + 1).split(".");
  const isProfile = PROFILE_NAMES.has(labels[0] ?? "");
  return labels.length < (isProfile ? 3 : 2) ? "" : (labels[isProfile ? 1 : 0] ?? "");
}

/** Who can read what this model signed; the signatures of Claude are the same on every platform. */
export function signatureFormatOf(model: string): string {
  const vendor = vendorOf(model);
  return vendor === "anthropic" ? ANTHROPIC_FORMAT : redactedFormatOf(model);
}

/** Who can read what this model redacted: the model's family, on this platform only, which wraps it anew. */
export function redactedFormatOf(model: string): string {
  return `bedrock-${vendorOf(model) || "profile"}-v1`;
}
