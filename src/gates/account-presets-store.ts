/**
 * The AccountGate's own SQLite, the part of presets: one row a preset, one a version. The tables are made with the first
 * preset; what is long stands last in a row, so that sizes are added up without reading it. Nothing of it is kept in
 * memory: requests meet the isolates' copies (presets-client.ts).
 */
import * as z from "zod";
import { asPresetId } from "../core/ids.ts";
import type { PresetVersionView, PresetView } from "./account-presets-contract.ts";

const TABLES = `
  CREATE TABLE IF NOT EXISTS presets (slug TEXT PRIMARY KEY, id TEXT NOT NULL, version_id TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS preset_versions (id TEXT PRIMARY KEY, preset_id TEXT NOT NULL, version INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, system_prompt TEXT, config TEXT NOT NULL,
    UNIQUE (preset_id, version));
`;

const id = z.string().transform(asPresetId);
const PresetRow = z
  .object({ slug: z.string(), id, version_id: id, created_at_ms: z.int(), updated_at_ms: z.int() })
  .transform((row): PresetView => ({
    id: row.id,
    slug: row.slug,
    versionId: row.version_id,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  }));
const VersionRow = z
  .object({
    id,
    preset_id: id,
    version: z.int(),
    system_prompt: z.string().nullable(),
    config: z.string(),
    created_at_ms: z.int(),
  })
  .transform((row): PresetVersionView => ({
    id: row.id,
    presetId: row.preset_id,
    version: row.version,
    systemPrompt: row.system_prompt,
    config: row.config,
    createdAtMs: row.created_at_ms,
  }));
const Totals = z.object({ count: z.int(), size_bytes: z.int() });

export type PresetStore = ReturnType<typeof openPresetStore>;

/** The statements on the presets. */
export function openPresetStore(storage: DurableObjectStorage) {
  const sql = (statement: string, ...parameters: readonly (string | number | null)[]) =>
    storage.sql.exec(statement, ...parameters).toArray();
  return {
    atomically: <T>(change: () => T): T => storage.transactionSync(change),
    /** False until the first preset. */
    exists: (): boolean => sql("SELECT 1 FROM sqlite_master WHERE name = 'presets'").length > 0,
    create(): void {
      storage.sql.exec(TABLES);
    },
    count: (): number => Totals.parse(sql("SELECT COUNT(*) AS count, 0 AS size_bytes FROM presets")[0]).count,
    /** Of all versions of all presets. */
    sizeBytes: (): number =>
      Totals.parse(sql("SELECT 0 AS count, COALESCE(SUM(size_bytes), 0) AS size_bytes FROM preset_versions")[0])
        .size_bytes,
    list: (limit: number, offset: number): readonly PresetView[] =>
      sql("SELECT * FROM presets ORDER BY updated_at_ms DESC, slug LIMIT ? OFFSET ?", limit, offset).map((row) =>
        PresetRow.parse(row),
      ),
    find: (slug: string): PresetView | undefined =>
      sql("SELECT * FROM presets WHERE slug = ?", slug).map((row) => PresetRow.parse(row))[0],
    countVersions: (presetId: string): number =>
      Totals.parse(
        sql("SELECT COUNT(*) AS count, 0 AS size_bytes FROM preset_versions WHERE preset_id = ?", presetId)[0],
      ).count,
    versions: (presetId: string, limit: number, offset: number): readonly PresetVersionView[] =>
      sql(
        "SELECT * FROM preset_versions WHERE preset_id = ? ORDER BY version LIMIT ? OFFSET ?",
        presetId,
        limit,
        offset,
      ).map((row) => VersionRow.parse(row)),
    version: (presetId: string, version: number): PresetVersionView | undefined =>
      sql("SELECT * FROM preset_versions WHERE preset_id = ? AND version = ?", presetId, version).map((row) =>
        VersionRow.parse(row),
      )[0],
    versionById: (versionId: string): PresetVersionView | undefined =>
      sql("SELECT * FROM preset_versions WHERE id = ?", versionId).map((row) => VersionRow.parse(row))[0],
    write(preset: PresetView, version: PresetVersionView, sizeBytes: number): void {
      const { slug, id: presetId, versionId, createdAtMs, updatedAtMs } = preset;
      sql("INSERT OR REPLACE INTO presets VALUES (?, ?, ?, ?, ?)", slug, presetId, versionId, createdAtMs, updatedAtMs);
      sql(
        "INSERT INTO preset_versions VALUES (?, ?, ?, ?, ?, ?, ?)",
        version.id,
        version.presetId,
        version.version,
        sizeBytes,
        version.createdAtMs,
        version.systemPrompt,
        version.config,
      );
    },
    delete(preset: PresetView): void {
      sql("DELETE FROM preset_versions WHERE preset_id = ?", preset.id);
      sql("DELETE FROM presets WHERE slug = ?", preset.slug);
    },
  };
}
