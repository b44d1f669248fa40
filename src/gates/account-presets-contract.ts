/**
 * What an AccountGate answers about an account's presets, as types: named settings and instructions for requests, in
 * versions. The gate keeps their content as text and never looks into it. One RPC with one command each.
 */
import type { RouterError } from "../core/error.ts";
import type { PresetId } from "../core/ids.ts";
import type { Result } from "../core/result.ts";

/** One version of a preset; never changes. */
export interface PresetVersionView {
  readonly id: PresetId;
  readonly presetId: PresetId;
  /** From 1. */
  readonly version: number;
  readonly systemPrompt: string | null;
  /** A JSON object, as text. */
  readonly config: string;
  readonly createdAtMs: number;
}

export interface PresetView {
  readonly id: PresetId;
  readonly slug: string;
  /** The version that requests get: the newest. */
  readonly versionId: PresetId;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type PresetCommand =
  /** A page, the most recently updated first. */
  | { readonly kind: "list"; readonly offset: number; readonly limit: number }
  | { readonly kind: "read"; readonly slug: string }
  /** A page, the oldest first. */
  | { readonly kind: "versions"; readonly slug: string; readonly offset: number; readonly limit: number }
  | { readonly kind: "version"; readonly slug: string; readonly version: number }
  /** Adds a version, and the preset where there is none. Repeating it, by `versionId`, adds nothing. */
  | {
      readonly kind: "write";
      readonly slug: string;
      /** Of the preset, where it is new. */
      readonly id: PresetId;
      readonly versionId: PresetId;
      readonly systemPrompt: string | null;
      readonly config: string;
    }
  | { readonly kind: "delete"; readonly slug: string }
  /** For a request: the version that it gets, unless that is `known`. */
  | { readonly kind: "use"; readonly slug: string; readonly known: PresetId | null };

export type PresetAnswer =
  | { readonly kind: "list"; readonly presets: readonly PresetView[]; readonly total: number }
  | { readonly kind: "preset"; readonly preset: PresetView; readonly version: PresetVersionView }
  | { readonly kind: "versions"; readonly versions: readonly PresetVersionView[]; readonly total: number }
  | { readonly kind: "version"; readonly version: PresetVersionView }
  | { readonly kind: "deleted" }
  | { readonly kind: "same" };

export interface AccountPresetsRpc {
  /**
   * `not_found` names an unknown preset or version, another account's among them; `conflict` one preset or version too
   * many, or too much in all; `bad_request` too large a version.
   */
  presets(command: PresetCommand): Promise<Result<PresetAnswer, RouterError>>;
}
