/**
 * The operator's settings of providers in D1: switched off or not, and a credential that replaces the environment's.
 * Credentials pass through here sealed only (seal.ts).
 */
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { EpochMs } from "../core/clock.ts";
import { asProviderId, type ProviderId } from "../core/ids.ts";
import { providerSettings } from "./tables.ts";

export interface ProviderSetting {
  readonly slug: ProviderId;
  readonly isDisabled: boolean;
  readonly credentialSealed: string | null;
  readonly updatedAtMs: EpochMs;
}

/** Absent: unchanged; a null credential: removed. */
export interface ProviderSettingChange {
  readonly isDisabled?: boolean | undefined;
  readonly credentialSealed?: string | null | undefined;
}

/** All settings; a provider without a row has the defaults. */
export async function listProviderSettings(db: D1Database): Promise<readonly ProviderSetting[]> {
  const rows = await drizzle(db).select().from(providerSettings);
  return rows.map((row) => ({ ...row, slug: asProviderId(row.slug) }));
}

/** One provider's settings, or undefined for the defaults. */
export async function readProviderSetting(db: D1Database, slug: ProviderId): Promise<ProviderSetting | undefined> {
  const rows = await drizzle(db).select().from(providerSettings).where(eq(providerSettings.slug, slug));
  return rows.map((row) => ({ ...row, slug }))[0];
}

/** Writes what the change names and leaves the rest. */
export async function changeProviderSetting(
  db: D1Database,
  slug: ProviderId,
  change: ProviderSettingChange,
  nowMs: EpochMs,
): Promise<void> {
  // drizzle leaves undefined columns out of an update, which is just what "absent" means here.
  const set = { ...change, updatedAtMs: nowMs };
  await drizzle(db)
    .insert(providerSettings)
    .values({
      slug,
      isDisabled: change.isDisabled ?? false,
      credentialSealed: change.credentialSealed ?? null,
      updatedAtMs: nowMs,
    })
    .onConflictDoUpdate({ target: providerSettings.slug, set });
}
