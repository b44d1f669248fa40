/**
 * Virtual time: timers and clock of one simulated world, in which the product's own code sleeps without waiting. While it
 * is installed, `setTimeout`, `setInterval` and their ends are its own; between two timers everything that promises have
 * to do is done, so that a run depends on nothing but its seed. Timers of the same moment fire in the order of their
 * making. Bounded by the end that `runUntil` is given.
 */

export interface VirtualTime {
  nowMs(): number;
  /** Calls `work` at a virtual time; in the past: now. */
  at(atMs: number, work: () => void): void;
  /** Resolves after so many virtual ms. */
  pause(ms: number): Promise<void>;
  runUntil(endMs: number): Promise<void>;
}

interface Timer {
  readonly atMs: number;
  readonly order: number;
  work: (() => void) | null;
}

/** What the timer functions hand out; the product only gives it back to the clearing ones. */
type Handle = { timer: Timer };

/** Runs `simulation` in virtual time that begins at `startMs`; the real timers are back afterwards. */
export async function inVirtualTime<T>(startMs: number, simulation: (time: VirtualTime) => Promise<T>): Promise<T> {
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  };
  const immediately = globalThis.setImmediate;
  const heap: Timer[] = [];
  let nowMs = startMs;
  let orders = 0;
  const plan = (atMs: number, work: () => void): Timer => {
    // Whole milliseconds, as clocks of the platform have them.
    const timer: Timer = { atMs: Math.max(nowMs, Math.round(atMs)), order: orders++, work };
    push(heap, timer);
    return timer;
  };
  const time: VirtualTime = {
    nowMs: () => nowMs,
    at: (atMs, work) => void plan(atMs, work),
    pause: (ms) => new Promise((resolve) => void plan(nowMs + ms, resolve)),
    async runUntil(endMs) {
      for (;;) {
        // Whatever promises have to do comes before the next timer.
        await new Promise<void>((resolve) => void immediately(resolve));
        const first = heap[0];
        if (first === undefined || first.atMs > endMs) break;
        nowMs = first.atMs;
        while (heap[0] !== undefined && heap[0].atMs === nowMs) pop(heap)?.work?.();
      }
      nowMs = endMs;
    },
  };
  const clear = (handle: Handle | undefined): void => {
    if (handle !== undefined) handle.timer.work = null;
  };
  Object.assign(globalThis, {
    setTimeout: (work: () => void, ms = 0): Handle => ({ timer: plan(nowMs + ms, work) }),
    clearTimeout: clear,
    setInterval: (work: () => void, ms: number): Handle => {
      const handle: Handle = { timer: plan(nowMs + ms, tick) };
      function tick(): void {
        handle.timer = plan(nowMs + ms, tick);
        work();
      }
      return handle;
    },
    clearInterval: clear,
  });
  try {
    return await simulation(time);
  } finally {
    Object.assign(globalThis, real);
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.atMs !== right.atMs ? left.atMs < right.atMs : left.order < right.order;
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (parent === undefined || !isBefore(timer, parent)) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): Timer | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let childAt = 2 * at + 1;
    let child = heap[childAt];
    if (child === undefined) break;
    const right = heap[childAt + 1];
    if (right !== undefined && isBefore(right, child)) {
      child = right;
      childAt++;
    }
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = last;
  return first;
}
