/**
 * Puts back what providers must see again of earlier tool calls, where the client has kept nothing but the ids that
 * carry-state.ts gave them; the calls get their providers' own ids again. Ids that are not ours stay as they are.
 *
 * What the client sends itself wins: a message that brings signed or encrypted reasoning gets nothing added. Whose state it
 * is stands in each entry, so that an encoder leaves out what another provider made, as it does with the client's own.
 * Costs a look at the calls' ids; one call to the account's gate where a state is kept there.
 */
import type { AssistantMessage, Message, Part, PieceKind, ReasoningDetail, ToolCall } from "../core/chat.ts";
import {
  fromBase64Url,
  isState,
  mayBeStateful,
  readStatefulId,
  unpackState,
  type CallState,
  type StatefulId,
} from "../core/provider-state.ts";
import type { FoundStates } from "../gates/provider-state-client.ts";
import { returnedBy } from "./carry-state.ts";
import type { GenerateInput } from "./job.ts";
import type { RouterPorts } from "./ports.ts";

/** Ids of one request that are opened: the newest. An older call goes on without its state. */
const IDS_MAX = 512;

const LOST = "The provider's state of an earlier tool call was not found and was left out.";
const NOT_KEPT =
  "The provider's state of an earlier tool call was too long for its id and is not kept (zero data retention, or its size).";

type Conversation = Pick<GenerateInput, "parsed" | "returned"> & {
  readonly asker: Pick<GenerateInput["asker"], "account" | "keyHash">;
};
type StatePorts = Pick<RouterPorts, "providerState">;

/** The input with its calls' state in place; itself, and no promise, where there is none to put back. */
export function withRestoredState<Input extends Conversation>(input: Input, ports: StatePorts): Input | Promise<Input> {
  const { messages } = input.parsed.request;
  const isNamed = messages.some(
    (message) => message.role === "assistant" && message.toolCalls.some(({ id }) => mayBeStateful(id)),
  );
  return isNamed ? restored(input, ports) : input;
}

async function restored<Input extends Conversation>(input: Input, ports: StatePorts): Promise<Input> {
  const { parsed } = input;
  const { request } = parsed;
  const ids = new Map<string, StatefulId>();
  const wanted = new Set<string>();
  for (const message of request.messages) {
    if (message.role !== "assistant") continue;
    for (const { id } of message.toolCalls) {
      const found = readStatefulId(id);
      if (found === undefined) continue;
      ids.set(id, found);
      if (!message.reasoning.some(isState)) wanted.add(id);
    }
  }
  const { states, warnings } = await statesOf([...wanted].slice(-IDS_MAX), ids, input, ports);
  const names = new Map([...ids].map(([id, { front }]) => [id, states.get(id)?.callId ?? front]));
  return {
    ...input,
    returned: returnedBy(request),
    parsed: {
      ...parsed,
      request: { ...request, messages: request.messages.map((message) => restoredMessage(message, states, names)) },
      warnings: [...parsed.warnings, ...warnings],
    },
  };
}

interface Opened {
  /** By the client's id. */
  readonly states: ReadonlyMap<string, CallState>;
  readonly warnings: ReadonlySet<string>;
}

async function statesOf(
  wanted: readonly string[],
  ids: ReadonlyMap<string, StatefulId>,
  { asker }: Conversation,
  { providerState }: StatePorts,
): Promise<Opened> {
  const refs = wanted.flatMap((id) => (ids.get(id)?.kind === "gate" ? [ids.get(id)?.rest ?? ""] : []));
  const nothing: FoundStates = { states: new Map(), isZeroRetention: false };
  const kept = refs.length === 0 ? nothing : await providerState.read(asker.account, asker.keyHash, refs);
  const states = new Map<string, CallState>();
  const warnings = new Set<string>();
  const openOne = async (id: string): Promise<void> => {
    const { kind, rest = "" } = ids.get(id) ?? {};
    const sealed = kind === "inline" ? fromBase64Url(rest) : undefined;
    const plain = sealed === undefined ? kept.states.get(rest) : await providerState.open(asker.account, sealed);
    const state = plain == null ? undefined : unpackState(plain);
    if (state !== undefined) states.set(id, state);
    else warnings.add(kind === "none" || (kind === "gate" && kept.isZeroRetention) ? NOT_KEPT : LOST);
  };
  await Promise.all(wanted.map(openOne));
  return { states, warnings };
}

function restoredMessage(
  message: Message,
  states: ReadonlyMap<string, CallState>,
  names: ReadonlyMap<string, string>,
): Message {
  if (message.role === "tool") {
    const toolCallId = names.get(message.toolCallId);
    return toolCallId === undefined ? message : { ...message, toolCallId };
  }
  if (message.role !== "assistant" || !message.toolCalls.some(({ id }) => names.has(id))) return message;
  const isWanted = !message.reasoning.some(isState) && bringsMore(message, states);
  const whole = isWanted ? withStates(message, states) : message;
  return {
    ...whole,
    toolCalls: whole.toolCalls.map((call) => ({ ...call, id: names.get(call.id) ?? call.id })),
    reasoning: whole.reasoning.map((detail) => {
      const id = typeof detail.id === "string" ? names.get(detail.id) : undefined;
      return id === undefined ? detail : { ...detail, id };
    }),
  };
}

/** Whether there is state for its calls, of which what the client shows is not the whole. */
function bringsMore({ toolCalls, reasoning }: AssistantMessage, states: ReadonlyMap<string, CallState>): boolean {
  const entries = toolCalls.flatMap(({ id }) => states.get(id)?.entries ?? []);
  return reasoning.length === 0 ? entries.length > 0 : entries.some(({ detail }) => isState(detail));
}

type Piece =
  | { readonly kind: "reasoning"; readonly detail: ReasoningDetail }
  | { readonly kind: "part"; readonly part: Part }
  | { readonly kind: "call"; readonly call: ToolCall };

/**
 * Each state stands before its call again, behind the words that were said before it. Reasoning that the client showed
 * without what makes it readable is in the state, too, and makes room for it.
 */
function withStates(message: AssistantMessage, states: ReadonlyMap<string, CallState>): AssistantMessage {
  const out: Piece[] = [];
  const indexes = new Map<string, number>();
  /** Where the pieces begin that follow the call before. */
  let since = 0;
  for (const [step, piece] of piecesOf(message).entries()) {
    const entries = piece.kind === "call" ? (states.get(piece.call.id)?.entries ?? []) : [];
    for (const { detail, at } of entries) {
      const place = placeBehind(out, since, at);
      // Entries of one index are one item, within their call.
      const key = `${step} ${detail.index ?? `place ${place}`}`;
      const index = indexes.get(key) ?? indexes.size;
      indexes.set(key, index);
      out.splice(place, 0, { kind: "reasoning", detail: { ...detail, index } });
      since = place + 1;
    }
    out.push(piece);
    if (piece.kind === "call") since = out.length;
  }
  const { order: _order, ...rest } = message;
  const order = out.map(({ kind }) => kind);
  return {
    ...rest,
    reasoning: out.flatMap((piece) => (piece.kind === "reasoning" ? [piece.detail] : [])),
    ...(isUsual(order) ? {} : { order }),
  };
}

/** The first place from `since` on with `chars` characters of text before it; the last one where there are fewer. */
function placeBehind(pieces: readonly Piece[], since: number, chars: number): number {
  let before = 0;
  for (const [place, piece] of pieces.entries()) {
    if (place >= since && before >= chars) return place;
    if (piece.kind === "part" && piece.part.type === "text") before += piece.part.text.length;
  }
  return pieces.length;
}

/** The message's pieces in their order, but for its reasoning. */
function piecesOf({ parts, toolCalls, order }: AssistantMessage): Piece[] {
  const part = (one: Part): Piece => ({ kind: "part", part: one });
  const call = (one: ToolCall): Piece => ({ kind: "call", call: one });
  if (order === undefined) return [...parts.map(part), ...toolCalls.map(call)];
  const next = { part: 0, call: 0 };
  return order.flatMap((kind): Piece[] => {
    if (kind === "part") return parts.slice(next.part, ++next.part).map(part);
    return kind === "call" ? toolCalls.slice(next.call, ++next.call).map(call) : [];
  });
}

const RANK: Readonly<Record<PieceKind, number>> = { reasoning: 0, part: 1, call: 2 };

/** Reasoning, then parts, then calls: an order that needs no telling. */
function isUsual(order: readonly PieceKind[]): boolean {
  return order.every((kind, at) => at === 0 || RANK[kind] >= RANK[order[at - 1] ?? kind]);
}
