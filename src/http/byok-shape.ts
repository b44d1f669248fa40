/**
 * A tenant's own provider credential as the API shows it, and the fields by which it is made and changed. The credential
 * itself goes in, is sealed for its account and provider, and never comes out; a label hints at it.
 */
import * as z from "zod";
import { byokContext, byokLabel } from "../accounts/byok.ts";
import { sealCredential } from "../accounts/seal.ts";
import { asKeyHash, type AccountId, type KeyHash, type ModelId, type ProviderId } from "../core/ids.ts";
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { ByokView } from "../gates/account-byok-contract.ts";
import type { Deps } from "./deps-port.ts";

const CREDENTIAL_CHARS_MAX = 8_192;
const NAME_CHARS_MAX = 255;
const FILTER_MAX = 100;
const SORT_ORDER_MAX = 10_000;

const time = z.string().describe("ISO 8601");

export const ByokShape = z.object({
  id: z.string().describe("A UUID"),
  provider: z.string().describe("The provider's slug"),
  label: z.string().describe("The credential's beginning and end, when it is long enough to show them"),
  name: z.string().nullable(),
  disabled: z.boolean(),
  is_fallback: z.boolean(),
  always_use: z.boolean(),
  sort_order: z.int(),
  allowed_models: z.array(z.string()).nullable(),
  allowed_api_key_hashes: z.array(z.string()).nullable(),
  allowed_user_ids: z.null(),
  workspace_id: z.null().describe("Null: the whole account"),
  last_error: z
    .object({
      type: z.string(),
      status: z.int().nullable().describe("The provider's HTTP status; null when it gave none"),
      at: time,
    })
    .nullable()
    .describe("Why it failed when it was last used; null once it has answered again"),
  created_at: time,
  updated_at: time.nullable(),
});
export type ByokShape = z.infer<typeof ByokShape>;

export const OneByokBody = z.object({ data: ByokShape });

/** The fields that the account's manager decides. */
export const byokFields = {
  key: z
    .string()
    .min(1)
    .max(CREDENTIAL_CHARS_MAX)
    // It goes out as a header: what a header cannot hold would fail with every request.
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "must be printable ASCII without spaces at its ends")
    .describe("The provider's own API key; sealed, and never shown again"),
  name: z
    .string()
    .min(1)
    .max(NAME_CHARS_MAX)
    .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), "must not hold control characters")
    .nullable()
    .optional(),
  disabled: z.boolean().optional(),
  is_fallback: z.boolean().optional().describe("Use it after the operator's shared credential, not before"),
  always_use: z
    .boolean()
    .optional()
    .describe("Where it applies, never use the operator's shared credential of this provider"),
  sort_order: z
    .int()
    .min(0)
    .max(SORT_ORDER_MAX)
    .optional()
    .describe("Credentials of a provider are tried in ascending order; a new one comes last"),
  allowed_models: z
    .array(z.string().min(1))
    .min(1)
    .max(FILTER_MAX)
    .nullable()
    .optional()
    .describe("Model ids; null: every model"),
  allowed_api_key_hashes: z
    .array(z.string().regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of a key, in lower-case hexadecimal"))
    .min(1)
    .max(FILTER_MAX)
    .nullable()
    .optional()
    .describe("Hashes of API keys of this account; null: every key"),
  allowed_user_ids: z.null().optional().describe("There are no members yet"),
};

/** A credential as shown. */
export function byokBody(view: ByokView): ByokShape {
  const { lastError } = view;
  return {
    id: view.id,
    provider: view.provider,
    label: view.label,
    name: view.name,
    disabled: view.disabled,
    is_fallback: view.isFallback,
    always_use: view.alwaysUse,
    sort_order: view.sortOrder,
    allowed_models: view.allowedModels === null ? null : [...view.allowedModels],
    allowed_api_key_hashes: view.allowedKeyHashes === null ? null : [...view.allowedKeyHashes],
    allowed_user_ids: null,
    workspace_id: null,
    last_error:
      lastError === null
        ? null
        : {
            type: lastError.type,
            status: lastError.status === 0 ? null : lastError.status,
            at: isoTime(lastError.atMs),
          },
    created_at: isoTime(view.createdAtMs),
    updated_at: view.updatedAtMs === null ? null : isoTime(view.updatedAtMs),
  };
}

/** A credential sealed for its account and provider, and its label. */
export async function sealedByok(
  secret: string,
  account: AccountId,
  provider: ProviderId,
  { settings, randomBytes }: Pick<Deps, "settings" | "randomBytes">,
): Promise<{ readonly sealed: string; readonly label: string }> {
  const context = byokContext(account, provider);
  return {
    sealed: await sealCredential(secret, context, settings.sealingSecret, randomBytes),
    label: byokLabel(secret),
  };
}

/**
 * The catalog's ids behind the named models: aliases and canonical slugs are taken, and stored as what they mean now.
 * @returns `bad_request` with the path of the first that the catalog lacks, `overloaded`.
 */
export async function modelFilter(
  names: readonly string[] | null | undefined,
  { catalog, waitUntil }: Pick<Deps, "catalog" | "waitUntil">,
): Promise<Result<readonly ModelId[] | null | undefined, RouterError>> {
  if (names === null || names === undefined) return ok(names);
  const ids = new Set<ModelId>();
  for (const [index, name] of names.entries()) {
    const found = await catalog.lookup(name, waitUntil);
    if (found.ok) ids.add(found.value.entry.model.id);
    else if (found.error.kind === "overloaded") return found;
    else {
      const path = `allowed_models[${index}]`;
      return err({ kind: "bad_request", message: `${path} is not a model of the catalog`, path });
    }
  }
  return ok([...ids]);
}

/** Hashes whose form was checked; whose keys they are is the gate's question. */
export function keyFilter(hashes: readonly string[] | null | undefined): readonly KeyHash[] | null | undefined {
  return hashes === null || hashes === undefined ? hashes : hashes.map(asKeyHash);
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}
