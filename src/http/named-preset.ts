/** The preset that a request names, filled in: for every route that takes a conversation. */
import type { RouterError } from "../core/error.ts";
import type { AccountId, PresetId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ParsedBody } from "../dialects/dialect.ts";
import { withPreset } from "../dialects/preset-merge.ts";
import type { AppContext } from "./context.ts";

export interface Filled {
  readonly parsed: ParsedBody;
  readonly presetId: PresetId;
}

/**
 * A request with what its preset says. Requests that name none don't come here.
 * @returns `not_found` for a preset that the account has not, `bad_request`, `storage`.
 */
export async function filledIn(
  context: AppContext,
  account: AccountId,
  parsed: ParsedBody,
  slug: string,
): Promise<Result<Filled, RouterError>> {
  const { presets, waitUntil } = context.get("deps");
  const used = presets.use(account, slug, waitUntil);
  const preset = used instanceof Promise ? await used : used;
  if (!preset.ok) return preset.error.kind === "bad_request" ? err(namedIn(slug, preset.error)) : preset;
  const merged = withPreset(parsed, preset.value.body);
  return merged.ok ? ok({ parsed: merged.value, presetId: preset.value.id }) : merged;
}

/** The same for routes that only count: a request with its preset, if it names one. */
export async function asFilled(
  context: AppContext,
  account: AccountId,
  parsed: ParsedBody,
): Promise<Result<ParsedBody, RouterError>> {
  if (parsed.preset === undefined) return ok(parsed);
  const filled = await filledIn(context, account, parsed, parsed.preset);
  return filled.ok ? ok(filled.value.parsed) : filled;
}

function namedIn(slug: string, error: RouterError & { readonly kind: "bad_request" }): RouterError {
  return { ...error, message: `The preset ${JSON.stringify(slug)} can't be used: ${error.message}` };
}
