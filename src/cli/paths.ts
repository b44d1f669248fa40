/** Where things are in a checkout: the few paths that every tool of the house shares. */
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "../..");
/** What the build makes; never committed. */
export const DIST = path.join(ROOT, "dist");
export const BUNDLE = path.join(DIST, "worker.js");
export const CATALOG = path.join(DIST, "catalog.json");
export const MANIFEST = path.join(DIST, "manifest.json");
export const WRANGLER_TOML = path.join(ROOT, "wrangler.toml");
/** A program that npm installed. */
export function binary(name: string): string {
  return path.join(ROOT, "node_modules/.bin", name);
}
