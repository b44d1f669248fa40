/**
 * Snapshots of places, shared by the isolates of one colo through the Cache API: one of them asks the gate, the others
 * read what it got. The platform keeps nothing there on workers.dev, where every read is a miss: then each isolate asks
 * by itself, as often as the gate allows. A named cache is this Worker's own; nothing in it can be fetched from outside,
 * and credentials are in it sealed, as everywhere.
 */
import type { SharedSnapshot, SnapshotSharing } from "./provider-client.ts";
import type { PlaceName } from "./provider-place.ts";

const CACHE = "provider-snapshots";
/** Readers judge the age by themselves; older ones are of no use to anybody. */
const KEPT_S = 30;

/** @param open opens a cache by name; a rejection counts as a miss. */
export function createSnapshotSharing(open: (name: string) => Promise<Cache>): SnapshotSharing {
  return {
    async read(place) {
      try {
        const found = await (await open(CACHE)).match(urlOf(place));
        return found === undefined ? null : await found.json<SharedSnapshot>(); // only `write` below puts anything there
      } catch {
        return null;
      }
    },
    async write(place, shared) {
      try {
        const headers = { "Content-Type": "application/json", "Cache-Control": `max-age=${KEPT_S}` };
        await (await open(CACHE)).put(urlOf(place), Response.json(shared, { headers }));
      } catch {
        // Nothing is shared then.
      }
    },
  };
}

/** Never fetched: a key that looks as the Cache API wants it. */
function urlOf({ provider, region }: PlaceName): string {
  return `https://snapshots.invalid/${encodeURIComponent(provider)}/${encodeURIComponent(region)}`;
}
