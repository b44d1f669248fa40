/**
 * The nearest names to one that is unknown: a cheap score over all names (shared start, shared letter pairs), then the
 * edit distance of the best few. Work is bounded: at most NAMES_MAX names are scored, SHORTLIST are measured, and no
 * name longer than LENGTH_MAX characters is looked at further than that.
 */
import { compareText } from "../core/compare.ts";

const NAMES_MAX = 10_000;
const SHORTLIST = 48;
const LENGTH_MAX = 96;

/** The `count` names most like `wanted`, best first; empty when nothing is like it. Pure. */
export function nearestNames(wanted: string, names: Iterable<string>, count: number): readonly string[] {
  const target = wanted.toLowerCase().slice(0, LENGTH_MAX);
  const pairs = letterPairs(target);
  const slug = target.slice(target.indexOf("/") + 1);
  const scored: { name: string; score: number }[] = [];
  let seen = 0;
  for (const name of names) {
    if (++seen > NAMES_MAX) break;
    const score = likeness(name.toLowerCase().slice(0, LENGTH_MAX), target, slug, pairs);
    if (score > 0.3) scored.push({ name, score });
  }
  return scored
    .toSorted((a, b) => b.score - a.score || compareText(a.name, b.name))
    .slice(0, SHORTLIST)
    .map(({ name }) => ({ name, distance: distanceTo(name.toLowerCase().slice(0, LENGTH_MAX), target, slug) }))
    .toSorted((a, b) => a.distance - b.distance || compareText(a.name, b.name))
    .slice(0, count)
    .map(({ name }) => name);
}

function letterPairs(text: string): Set<string> {
  const pairs = new Set<string>();
  for (let at = 0; at + 1 < text.length; at++) pairs.add(text.slice(at, at + 2));
  return pairs;
}

/** 0 to about 2: the share of common letter pairs, plus a bonus for a name that contains the wanted slug. */
function likeness(name: string, target: string, slug: string, pairs: ReadonlySet<string>): number {
  let common = 0;
  let total = 0;
  for (let at = 0; at + 1 < name.length; at++) {
    total++;
    if (pairs.has(name.slice(at, at + 2))) common++;
  }
  const shared = (2 * common) / Math.max(1, total + pairs.size);
  const contains = slug.length >= 3 && (name.includes(slug) || target.includes(name.slice(name.indexOf("/") + 1)));
  return shared + (contains ? 1 : 0);
}

/** Edit distance; a wanted name without author, or with a wrong one, is also compared by its slug alone. */
function distanceTo(name: string, target: string, slug: string): number {
  const whole = editDistance(name, target);
  const own = name.slice(name.indexOf("/") + 1);
  return Math.min(whole, editDistance(own, slug) + 1);
}

/** Levenshtein distance in one row. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
