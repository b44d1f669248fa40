/**
 * What the launcher must know of wrangler.toml to run the bundle without wrangler: written next to the bundle by the
 * build, read at every start.
 */
import * as z from "zod";

export const ManifestSchema = z.strictObject({
  /** Hash of everything that the build was made from. */
  sourceHash: z.string(),
  name: z.string(),
  compatibilityDate: z.string(),
  compatibilityFlags: z.array(z.string()),
  vars: z.record(z.string(), z.string()),
  d1: z.array(z.strictObject({ binding: z.string(), name: z.string(), migrationsDir: z.string() })),
  kv: z.array(z.string()),
  r2: z.array(z.strictObject({ binding: z.string(), name: z.string(), jurisdiction: z.string().nullable() })),
  durableObjects: z.array(z.strictObject({ binding: z.string(), className: z.string() })),
});
export type Manifest = z.infer<typeof ManifestSchema>;
