/**
 * Gives each tool call that a provider has signed for, or reasoned before, an id that leads back to that state: for clients
 * that keep nothing of an answer but its calls. Up to an id's length the state is in the id itself, sealed; what is longer
 * is kept in the account's gate, beside the answer and never before it.
 *
 * The state of a call is what came before it and after the call before it: what is signed or encrypted, and plain reasoning
 * where the provider refuses calls without it. Calls without any keep their provider's id, and
 * so do all calls for a client that was seen to send state back, and answers to requests without tools.
 */
import type { ChatRequest, ReasoningDetail } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import {
  ENTRIES_MAX,
  ID_CHARS_MAX,
  isState,
  packState,
  statefulId,
  toBase64Url,
  type CallState,
  type StateEntry,
} from "../core/provider-state.ts";
import type { AccountId } from "../core/ids.ts";
import { adapterNamed } from "../providers/registry.ts";
import { STATE_BYTES_MAX } from "../gates/account-provider-state-contract.ts";
import type { Answered } from "./attempt.ts";
import type { Job, Returned } from "./job.ts";
import type { RouterPorts } from "./ports.ts";
import type { Candidate } from "./score.ts";
import { quirksOf } from "./try-candidate.ts";

/** Characters of reasoning before one call; of longer ones nothing is kept. What seals a state adds some bytes. */
const STATE_CHARS_MAX = STATE_BYTES_MAX / 4;

/** The answer with ids that carry its state; the same one where there is nothing to carry. */
export function withCarriedState(answered: Answered, { provider }: Candidate, job: Job, ports: RouterPorts): Answered {
  const { input, route } = job;
  if (route.request.tools.length === 0) return answered;
  const takesPlain = adapterNamed(provider.adapter)?.needsPlainReasoning?.(quirksOf(provider)) === true;
  const { hasAny, hasSigned } = input.returned ?? returnedBy(route.request);
  if (takesPlain ? hasAny : hasSigned) return answered;
  const keepsNothing = input.parsed.provider?.["zdr"] === true;
  const carry = createCarrier({ account: input.asker.account, keepsNothing, takesPlain }, ports);
  const { first, stream } = answered;
  let isBegun = false;
  return {
    ...answered,
    // What is there already comes like the rest: sealing takes its time.
    first: [],
    stream: {
      async next() {
        const events = isBegun ? await stream.next() : first;
        isBegun = true;
        return events === null ? null : await carry(events);
      },
      isOver: () => isBegun && stream.isOver(),
      isSpent: () => stream.isSpent(),
      linger: () => stream.linger(),
    },
  };
}

/** What a client has sent back itself of the reasoning before earlier calls. */
export function returnedBy({ messages }: ChatRequest): Returned {
  const details = messages.flatMap((message) =>
    message.role === "assistant" && message.toolCalls.length > 0 ? message.reasoning : [],
  );
  return { hasSigned: details.some(isState), hasAny: details.length > 0 };
}

/** One choice, since its last call. */
interface Since {
  /** Characters of text, from the beginning of the answer. */
  textChars: number;
  /** By index and type: pieces are joined. */
  readonly entries: Map<string, StateEntry>;
  /** Characters of the entries. */
  entryChars: number;
  hasState: boolean;
}

/** A call with state, by its place in a batch of events. */
interface Found {
  readonly place: number;
  readonly state: CallState;
  /** Not all of it was gathered: it cannot be kept. */
  readonly isTooLong: boolean;
}

type Events = readonly GenerationEvent[];
type CarryPorts = Pick<RouterPorts, "providerState" | "waitUntil">;

interface Owner {
  readonly account: AccountId;
  /** The request wants nothing kept: what an id cannot hold is lost. */
  readonly keepsNothing: boolean;
  /** The provider needs reasoning back that nobody has signed. */
  readonly takesPlain: boolean;
}

/** Takes batches of one answer's events, and gives them back with ids that carry state. */
export function createCarrier(owner: Owner, ports: CarryPorts): (events: Events) => Events | Promise<Events> {
  const choices = new Map<number, Since>();
  return (events) => {
    const found: Found[] = [];
    for (const [place, event] of events.entries()) {
      if (event.type !== "text-delta" && event.type !== "reasoning-delta" && event.type !== "tool-start") continue;
      let since = choices.get(event.choice);
      if (since === undefined) {
        since = { textChars: 0, entries: new Map(), entryChars: 0, hasState: false };
        choices.set(event.choice, since);
      }
      if (event.type === "text-delta") since.textChars += event.text.length;
      else if (event.type === "reasoning-delta") addPiece(since, event.detail, owner);
      else found.push(...stateOf(since, event.id, place, owner));
    }
    return found.length === 0 ? events : renamed(events, found, owner, ports);
  };
}

function addPiece(since: Since, detail: ReasoningDetail, { takesPlain }: Owner): void {
  const { text, summary, data, signature } = detail;
  since.entryChars += [text, summary, data, signature].reduce((chars, piece) => chars + (piece?.length ?? 0), 0);
  since.hasState ||= isState(detail) || (takesPlain && Boolean(text ?? summary));
  if (since.entryChars > STATE_CHARS_MAX) return;
  const key = `${detail.index ?? ""} ${detail.type}`;
  const before = since.entries.get(key);
  if (before === undefined && since.entries.size >= ENTRIES_MAX) return;
  const entry =
    before === undefined ? { detail, at: since.textChars } : { ...before, detail: joined(before.detail, detail) };
  since.entries.set(key, entry);
}

function joined(before: ReasoningDetail, after: ReasoningDetail): ReasoningDetail {
  const out: Record<string, unknown> = { ...before };
  for (const name of ["text", "summary", "data", "signature"] as const) {
    if (typeof after[name] === "string") out[name] = (before[name] ?? "") + after[name];
  }
  for (const name of ["id", "format"] as const) out[name] = after[name] ?? before[name];
  return out as unknown as ReasoningDetail; // the members of two entries, each of its own type
}

/** What belongs to the call that begins here; what is state, and what shares its entry. */
function stateOf(since: Since, callId: string, place: number, { takesPlain }: Owner): Found[] {
  const { hasState } = since;
  const isTooLong = since.entryChars > STATE_CHARS_MAX;
  const all = [...since.entries.values()];
  since.entries.clear();
  Object.assign(since, { entryChars: 0, hasState: false });
  if (!hasState) return [];
  const indexes = new Set(all.filter(({ detail }) => isState(detail)).map(({ detail }) => detail.index));
  const entries = all.filter(
    ({ detail }) => takesPlain || isState(detail) || (detail.index !== undefined && indexes.has(detail.index)),
  );
  return [{ place, state: { callId, entries }, isTooLong }];
}

async function renamed(events: Events, found: readonly Found[], owner: Owner, ports: CarryPorts): Promise<Events> {
  const out = [...events];
  for (const { place, state, isTooLong } of found) {
    const id = isTooLong ? statefulId(state.callId, "none", "") : await idOf(state, owner, ports);
    for (const [at, event] of out.slice(0, place + 1).entries()) {
      // A signature that names its call comes right before it.
      if (event.type === "reasoning-delta" && event.detail.id === state.callId) {
        out[at] = { ...event, detail: { ...event.detail, id } };
      }
      if (at === place && event.type === "tool-start") out[at] = { ...event, id };
    }
  }
  return out;
}

async function idOf(state: CallState, { account, keepsNothing }: Owner, ports: CarryPorts): Promise<string> {
  const sealed = await ports.providerState.seal(account, packState(state));
  const inline = statefulId(state.callId, "inline", toBase64Url(sealed));
  if (inline.length <= ID_CHARS_MAX) return inline;
  if (keepsNothing) return statefulId(state.callId, "none", "");
  const { ref, done } = ports.providerState.keep(account, sealed);
  ports.waitUntil(done);
  return statefulId(state.callId, "gate", ref);
}
