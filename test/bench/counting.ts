/**
 * Counts what the platform bills, inside the runtime: wraps a bundle's exports, the bindings they get and the storage of
 * their objects. It is appended to the production bundle as JavaScript (counted.ts), so that the code which is counted is
 * the code that is served and production pays nothing for it; so it imports nothing. One isolate serves Worker and objects
 * alike on one machine, so one set of counts knows all.
 * Counted as billed: a call of an object's method is a request of it, and so is an alarm; rows read and written are what
 * the cursors and D1 say, index rows and deletes included; setting an alarm is a row written.
 * Two things it can do to make more be seen: hold calls of objects back (a call that an answer waited for has then ended
 * before the answer, any other has not), and set the clock on (what is forgotten and moved weeks later is then due).
 */

/** Since the start. */
export interface Counts {
  requests: number;
  objectCalls: number;
  alarms: number;
  objectRowsRead: number;
  objectRowsWritten: number;
  d1RowsRead: number;
  d1RowsWritten: number;
  kvReads: number;
  /** Deletes and lists among them, as they are billed. */
  kvWrites: number;
  r2Reads: number;
  /** Lists among them. */
  r2Writes: number;
  queueOperations: number;
  /** Calls of objects by method. */
  readonly methods: Record<string, number>;
  /**
   * Calls of objects that a chat completion began and that had ended when it was answered, per answer with 2xx. Says how
   * many it waited for while calls are held and one request runs at a time.
   */
  readonly awaited: number[];
}

/** Where the counts are read, and what is asked of them. */
export const COUNTS_PATH = "/__counts";
export const HOLD_PATH = "/__counts/hold";
export const LATER_PATH = "/__counts/later";

/** How long calls are held until HOLD_PATH says otherwise, so that an isolate's first request is seen, too. */
const FIRST_HOLD_MS = 200;

export type BundleEnv = Record<string, unknown>;
export interface Entry {
  fetch(request: Request, env: BundleEnv, context: unknown): Promise<Response>;
  scheduled?(controller: unknown, env: BundleEnv, context: unknown): Promise<void>;
}
interface State {
  readonly storage: Methods;
}
interface DurableInstance {
  alarm?(): Promise<void>;
}
export type DurableClass = new (state: State, env: BundleEnv) => DurableInstance;

type Call = (...given: unknown[]) => unknown;
type Methods = Record<string | symbol, unknown>;
interface Namespace {
  getByName(name: string): { countedAlarm(): Promise<void> };
}

interface Counter {
  readonly counts: Counts;
  readonly patched: WeakSet<object>;
  readonly envs: WeakMap<BundleEnv, BundleEnv>;
  /** Objects that were called, by binding. */
  readonly objects: Map<string, Set<string>>;
  /** Calls are numbered; those that have not ended. */
  calls: number;
  readonly openCalls: Set<number>;
  /** How long the answer of a call is held; not of `admit`, which is never made without waiting for it. */
  holdMs: number;
  /** How far the clock was set on. */
  aheadMs: number;
}

/** The bundle's exports, counted. `classes` are its Durable Objects. */
export function countBundle(entry: Entry, classes: Readonly<Record<string, DurableClass>>) {
  const counter = newCounter();
  const { counts } = counter;
  const systemNow = Date.now;
  Date.now = () => systemNow() + counter.aheadMs;
  return {
    entry: {
      ...entry,
      async fetch(request: Request, env: BundleEnv, context: unknown) {
        const { pathname, searchParams } = new URL(request.url);
        const ms = Number(searchParams.get("ms") ?? 0);
        if (pathname === HOLD_PATH) counter.holdMs = ms;
        if (pathname === LATER_PATH) await later(counter, entry, env, context, ms);
        if (pathname.startsWith(COUNTS_PATH)) return Response.json(counts);
        counts.requests++;
        const before = counter.calls;
        const answer = await entry.fetch(request, countedEnv(counter, env), context);
        if (pathname.endsWith("/chat/completions") && answer.ok) {
          const open = [...counter.openCalls].filter((call) => call > before).length;
          counts.awaited.push(counter.calls - before - open);
        }
        return answer;
      },
    },
    classes: Object.fromEntries(Object.entries(classes).map(([name, inner]) => [name, countedClass(counter, inner)])),
  };
}

function newCounter(): Counter {
  return {
    counts: {
      requests: 0,
      objectCalls: 0,
      alarms: 0,
      objectRowsRead: 0,
      objectRowsWritten: 0,
      d1RowsRead: 0,
      d1RowsWritten: 0,
      kvReads: 0,
      kvWrites: 0,
      r2Reads: 0,
      r2Writes: 0,
      queueOperations: 0,
      methods: {},
      awaited: [],
    },
    patched: new WeakSet(),
    envs: new WeakMap(),
    objects: new Map(),
    calls: 0,
    openCalls: new Set(),
    // From the first request on, which nobody could ask for in time.
    holdMs: FIRST_HOLD_MS,
    aheadMs: 0,
  };
}

/** Sets the clock on, then lets every object's alarm ring and the scheduled jobs run. */
async function later(counter: Counter, entry: Entry, env: BundleEnv, context: unknown, aheadMs: number): Promise<void> {
  counter.aheadMs += aheadMs;
  for (const [binding, names] of counter.objects) {
    const namespace = env[binding] as Namespace; // only namespaces have objects
    for (const name of names) await namespace.getByName(name).countedAlarm();
  }
  await entry.scheduled?.({ cron: "counted" }, countedEnv(counter, env), context);
}

function countedEnv(counter: Counter, env: BundleEnv): BundleEnv {
  const { counts, envs } = counter;
  const known = envs.get(env);
  if (known !== undefined) return known;
  const own: BundleEnv = { ...env };
  for (const [name, binding] of Object.entries(env)) {
    if (typeof binding !== "object" || binding === null) continue;
    if ("idFromName" in binding) own[name] = countedNamespace(counter, name, binding);
    else if ("prepare" in binding) countD1(counter, binding as { prepare(sql: string): object });
    else if ("sendBatch" in binding) own[name] = countedCalls(binding, () => counts.queueOperations++);
    else if ("createMultipartUpload" in binding) {
      own[name] = countedCalls(binding, (method) => {
        if (method === "get" || method === "head") counts.r2Reads++;
        else if (method !== "delete") counts.r2Writes++;
      });
    } else if ("getWithMetadata" in binding) {
      own[name] = countedCalls(binding, (method, [key]) => {
        if (method.startsWith("get")) counts.kvReads += Array.isArray(key) ? key.length : 1;
        else counts.kvWrites++;
      });
    }
  }
  envs.set(env, own);
  envs.set(own, own);
  return own;
}

/** The binding with `count` told of each call of a method. */
function countedCalls(binding: object, count: (name: string, given: readonly unknown[]) => void): object {
  return new Proxy(binding, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        count(String(name), given);
        return Reflect.apply(value as Call, target, given);
      };
    },
  });
}

function countedNamespace(counter: Counter, binding: string, namespace: object): object {
  return new Proxy(namespace, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const made = Reflect.apply(value as Call, target, given) as object;
        if (name === "jurisdiction") return countedNamespace(counter, binding, made);
        if (name === "get" || name === "getByName") {
          const names = counter.objects.get(binding) ?? new Set();
          counter.objects.set(binding, names.add(String((made as { name?: string }).name ?? given[0])));
          return countedStub(counter, made);
        }
        return made;
      };
    },
  });
}

function countedStub(counter: Counter, stub: object): object {
  const { counts, openCalls } = counter;
  return new Proxy(stub, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof name !== "string" || typeof value !== "function" || name === "then" || name === "dup") return value;
      return async (...given: unknown[]) => {
        counts.objectCalls++;
        counts.methods[name] = (counts.methods[name] ?? 0) + 1;
        const call = ++counter.calls;
        openCalls.add(call);
        try {
          const answer = (await Reflect.apply(value as Call, target, given)) as unknown;
          const { holdMs } = counter;
          if (holdMs > 0 && name !== "admit") await new Promise((resolve) => setTimeout(resolve, holdMs));
          return answer;
        } finally {
          openCalls.delete(call);
        }
      };
    },
  });
}

function countedClass(counter: Counter, inner: DurableClass): DurableClass {
  return class extends inner {
    constructor(state: State, env: BundleEnv) {
      countStorage(counter, state.storage);
      super(state, countedEnv(counter, env));
    }

    override async alarm(): Promise<void> {
      counter.counts.alarms++;
      await super.alarm?.();
    }

    /** Called by `later`, for the clock of the platform can't be set on. */
    async countedAlarm(): Promise<void> {
      if (super.alarm !== undefined) await this.alarm();
    }
  };
}

/** Replaces a method of everything of this kind. */
function patch(kind: object, name: string, wrap: (original: Call) => Call): void {
  const methods = kind as Methods; // whatever the platform made
  methods[name] = wrap(methods[name] as Call);
}

/** Runs `work` the first time that a kind of thing is met. */
function once({ patched }: Counter, one: object, work: (kind: object) => void): void {
  const kind = Object.getPrototypeOf(one) as object;
  if (patched.has(kind)) return;
  patched.add(kind);
  work(kind);
}

interface Cursor {
  readonly rowsRead: number;
  readonly rowsWritten: number;
  toArray(): unknown[];
}

function countStorage(counter: Counter, storage: Methods): void {
  const { counts } = counter;
  once(counter, storage["sql"] as object, (kind) => patch(kind, "exec", (exec) => countedExec(counts, exec)));
  once(counter, storage["kv"] as object, (kind) => {
    for (const name of ["get", "list", "put", "delete"]) {
      patch(kind, name, (original) => {
        return function counted(this: unknown, ...given: unknown[]) {
          if (name === "get" || name === "list") counts.objectRowsRead++;
          else counts.objectRowsWritten++;
          return Reflect.apply(original, this, given);
        };
      });
    }
  });
  once(counter, storage, (kind) =>
    patch(kind, "setAlarm", (setAlarm) => {
      return function counted(this: unknown, atMs: unknown, ...given: unknown[]) {
        counts.objectRowsWritten++;
        return Reflect.apply(setAlarm, this, [Number(atMs) - counter.aheadMs, ...given]);
      };
    }),
  );
}

/** A cursor counts while it is read: all of ours are read by `toArray`, or not at all. */
function countedExec(counts: Counts, exec: Call): Call {
  return function counted(this: unknown, ...given: unknown[]) {
    const cursor = Reflect.apply(exec, this, given) as Cursor;
    let [read, written] = [0, 0];
    const note = (): void => {
      counts.objectRowsRead += cursor.rowsRead - read;
      counts.objectRowsWritten += cursor.rowsWritten - written;
      [read, written] = [cursor.rowsRead, cursor.rowsWritten];
    };
    note();
    const toArray = cursor.toArray.bind(cursor);
    cursor.toArray = () => {
      const rows = toArray();
      note();
      return rows;
    };
    return cursor;
  };
}

interface D1Answer {
  readonly meta?: { readonly rows_read?: number; readonly rows_written?: number };
}

function countD1(counter: Counter, db: { prepare(sql: string): object }): void {
  const { counts } = counter;
  const noted = (original: Call): Call =>
    async function counted(this: unknown, ...given: unknown[]) {
      const answer: unknown = await Reflect.apply(original, this, given);
      for (const { meta } of (Array.isArray(answer) ? answer : [answer]) as readonly D1Answer[]) {
        counts.d1RowsRead += meta?.rows_read ?? 0;
        counts.d1RowsWritten += meta?.rows_written ?? 0;
      }
      return answer;
    };
  once(counter, db, (kind) => patch(kind, "batch", noted));
  once(counter, db.prepare("SELECT 1"), (kind) => {
    patch(kind, "all", noted);
    patch(kind, "run", noted);
    // These two say nothing of rows; `all` reads the same.
    type Statement = { all(): Promise<{ results: Methods[] }> };
    patch(kind, "first", () => {
      return async function counted(this: Statement, column?: unknown) {
        const [row] = (await this.all()).results;
        return row === undefined ? null : typeof column === "string" ? row[column] : row;
      };
    });
    patch(kind, "raw", () => {
      return async function counted(this: Statement) {
        return (await this.all()).results.map((row) => Object.values(row));
      };
    });
  });
}
