/**
 * The places that an isolate remembers, and the endpoints in them by name. A plan looks at every endpoint of a model, so
 * that finding one makes no string, which would be hashed anew for each look, and leads to a slot that knows its place.
 */
import type { EndpointTag, ModelId, ProviderId, RegionId } from "../core/ids.ts";
import type { EndpointKey } from "./provider-contract.ts";
import { newPlace, newSlot, type EndpointSlot, type Place, type PlaceName } from "./provider-place.ts";

/** The one that was met first leaves first. */
const PLACES_MAX = 2_000;
/** Models whose endpoints are remembered by name. */
const MODELS_MAX = 2_000;

export interface Places {
  /** Made when it is not known. */
  at(name: PlaceName): Place;
  of(provider: ProviderId): readonly Place[];
  keyOf(model: ModelId, tag: EndpointTag): EndpointKey;
  /** The endpoint in that place; undefined where the place is not known. */
  slotOf(provider: ProviderId, region: RegionId, tag: EndpointTag, model: ModelId): EndpointSlot | undefined;
}

/** What is remembered of an endpoint by its name. */
interface Named {
  readonly key: EndpointKey;
  /** In the places where it was looked at: few. */
  slots: readonly EndpointSlot[];
}

/** Empty at first; at most PLACES_MAX. */
export function createPlaces(): Places {
  const all = new Set<Place>();
  const byProvider = new Map<ProviderId, readonly Place[]>();
  const names = new Map<ModelId, Map<EndpointTag, Named>>();

  // A provider has few places: looking along them is quicker than a map.
  const find = (provider: ProviderId, region: RegionId): Place | undefined => {
    const places = byProvider.get(provider);
    if (places === undefined) return undefined;
    for (const place of places) if (place.region === region) return place;
    return undefined;
  };
  const forget = (place: Place): void => {
    place.isForgotten = true;
    all.delete(place);
    const rest = (byProvider.get(place.provider) ?? []).filter((one) => one !== place);
    if (rest.length === 0) byProvider.delete(place.provider);
    else byProvider.set(place.provider, rest);
  };

  const nameOf = (model: ModelId, tag: EndpointTag): Named => {
    let ofModel = names.get(model);
    if (ofModel === undefined) {
      if (names.size >= MODELS_MAX) names.clear();
      ofModel = new Map();
      names.set(model, ofModel);
    }
    let named = ofModel.get(tag);
    if (named === undefined) {
      named = { key: `${model} ${tag}`, slots: [] };
      ofModel.set(tag, named);
    }
    return named;
  };

  return {
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
    keyOf: (model, tag) => nameOf(model, tag).key,
    slotOf(provider, region, tag, model) {
      const named = nameOf(model, tag);
      for (const slot of named.slots) {
        const { place } = slot;
        if (place.region === region && place.provider === provider && !place.isForgotten) return slot;
      }
      const place = find(provider, region);
      if (place === undefined) return undefined;
      const slot = newSlot(place, named.key);
      named.slots = [...named.slots.filter((one) => !one.place.isForgotten), slot];
      return slot;
    },
  };
}
