/** For adapters of formats that one provider speaks: there is nothing to declare. */
import type { JsonObject } from "../core/json.ts";
import type { QuirkFault } from "./adapter.ts";

/** One fault for each quirk: an adapter without quirks would pass over them in silence. */
export function everyQuirkIsFault(quirks: JsonObject): readonly QuirkFault[] {
  return Object.keys(quirks).map((key) => ({ path: [key], message: "this adapter has no quirks" }));
}
