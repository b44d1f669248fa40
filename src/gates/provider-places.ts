/**
 * The places that an isolate remembers, and the names of the endpoints in them. A plan looks at every endpoint of a model,
 * so that finding one makes no string: a name made anew would be hashed anew for each look.
 */
import type { EndpointTag, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { EndpointKey } from "./provider-contract.ts";
import { newPlace, type Place, type PlaceName } from "./provider-place.ts";

/** The one that was met first leaves first. */
const PLACES_MAX = 2_000;
/** Models whose endpoints' names are kept. */
const MODELS_MAX = 2_000;

export interface Places {
  find(provider: ProviderId, region: RegionId): Place | undefined;
  /** Made when it is not known. */
  at(name: PlaceName): Place;
  of(provider: ProviderId): readonly Place[];
  keyOf(model: ModelId, tag: EndpointTag): EndpointKey;
}

/** Empty at first; at most PLACES_MAX. */
export function createPlaces(): Places {
  const all = new Set<Place>();
  const byProvider = new Map<ProviderId, readonly Place[]>();
  const keys = new Map<ModelId, Map<EndpointTag, EndpointKey>>();

  // A provider has few places: looking along them is quicker than a map.
  const find = (provider: ProviderId, region: RegionId): Place | undefined => {
    const places = byProvider.get(provider);
    if (places === undefined) return undefined;
    for (const place of places) if (place.region === region) return place;
    return undefined;
  };
  const forget = (place: Place): void => {
    all.delete(place);
    const rest = (byProvider.get(place.provider) ?? []).filter((one) => one !== place);
    if (rest.length === 0) byProvider.delete(place.provider);
    else byProvider.set(place.provider, rest);
  };

  return {
    find,
    at(name) {
      const known = find(name.provider, name.region);
      if (known !== undefined) return known;
      const oldest = all.size >= PLACES_MAX ? all.values().next().value : undefined;
      if (oldest !== undefined) forget(oldest);
      const place = newPlace(name);
      all.add(place);
      byProvider.set(name.provider, [...(byProvider.get(name.provider) ?? []), place]);
      return place;
    },
    of: (provider) => byProvider.get(provider) ?? [],
    keyOf(model, tag) {
      let ofModel = keys.get(model);
      if (ofModel === undefined) {
        if (keys.size >= MODELS_MAX) keys.clear();
        ofModel = new Map();
        keys.set(model, ofModel);
      }
      let key = ofModel.get(tag);
      if (key === undefined) {
        key = `${model} ${tag}`;
        ofModel.set(tag, key);
      }
      return key;
    },
  };
}
