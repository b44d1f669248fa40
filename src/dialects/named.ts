/**
 * What a body names: its models, and the preset that fills in what it leaves open. A preset is named by a field of its own,
 * in the place of a model (`@preset/slug`) or behind one (`author/slug@preset/slug`). One preset a request.
 */
import { ok, type Result } from "../core/result.ts";
import { modelsOf, refuse, type BadRequest } from "./body.ts";

/** Between a model and the slug of its preset. */
const PRESET_MARK = "@preset/";
/** What a preset's slug may be: it stands in paths and in names of models, before whose variants a colon stands. */
export const PRESET_SLUG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Longest piece of a wrong slug that is repeated. */
const ECHO_CHARS_MAX = 80;

export interface Named {
  /** Empty where only a preset is named. */
  readonly models: readonly string[];
  readonly preset?: string;
}

/** @returns `bad_request` where neither a model nor a preset is named, for a slug that is none, for two presets. */
export function namesOf(wire: {
  readonly model?: string | null | undefined;
  readonly models?: readonly string[] | null | undefined;
  readonly preset?: string | null | undefined;
}): Result<Named, BadRequest> {
  return namesAmong(modelsOf(wire), wire.preset);
}

/** The same for a dialect that names its models elsewhere. */
export function namesAmong(names: readonly string[], field: string | null | undefined): Result<Named, BadRequest> {
  if ((field ?? undefined) === undefined && !names.some(hasPreset)) {
    if (names.length > 0) return ok({ models: names });
    return refuse('No models provided: name one in "model", or several in "models"', "model");
  }
  const models = new Set<string>();
  const presets = new Map<string, string>();
  if (typeof field === "string") presets.set(field.startsWith(PRESET_MARK) ? afterMark(field) : field, "preset");
  for (const name of names) {
    if (hasPreset(name)) presets.set(afterMark(name), presets.get(afterMark(name)) ?? "model");
    const model = hasPreset(name) ? name.slice(0, name.indexOf(PRESET_MARK)) : name;
    if (model !== "") models.add(model);
  }
  for (const [slug, path] of presets) {
    if (!PRESET_SLUG.test(slug)) {
      const said = JSON.stringify(slug.slice(0, ECHO_CHARS_MAX));
      return refuse(`${path}: ${said} is not the slug of a preset`, path);
    }
  }
  const [preset, another] = [...presets.keys()];
  if (another === undefined) return ok({ models: [...models], ...(preset === undefined ? {} : { preset }) });
  return refuse(`The request names two presets, ${preset} and ${another}: one preset a request`, "preset");
}

export function hasPreset(name: string): boolean {
  return name.includes(PRESET_MARK);
}

function afterMark(name: string): string {
  return name.slice(name.indexOf(PRESET_MARK) + PRESET_MARK.length);
}
