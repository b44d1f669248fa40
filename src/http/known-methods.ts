/** Which methods a path has: the answer to a request for a known path with another method. Pure. */

export interface RegisteredRoute {
  readonly method: string;
  /** With `:name` for its parts. */
  readonly path: string;
}

/** Methods of all routes that match `path`, without those that stand before every method; empty for an unknown path. */
export function knownMethods(routes: readonly RegisteredRoute[], path: string): readonly string[] {
  const found = new Set<string>();
  for (const route of routes) {
    if (route.method === "ALL" || !matches(route.path, path)) continue;
    found.add(route.method);
    // The router answers HEAD by GET without its body.
    if (route.method === "GET") found.add("HEAD");
  }
  return found.size === 0 ? [] : [...found, "OPTIONS"];
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  // A last part that takes slashes, too.
  const takesRest = pattern.endsWith("{.+}") && given.length > wanted.length;
  return (
    (wanted.length === given.length || takesRest) &&
    wanted.every((part, at) => (part.startsWith(":") ? given[at] !== "" : part === given[at]))
  );
}
