/**
 * Puts the pieces of tool calls back together, one instance per choice.
 * Providers number calls by index, by id, by both, by neither; some send index 0 for all of them, some repeat an id,
 * some make up a new id for every piece, some send the whole call at once or the arguments as an object. What comes
 * out is always: indices from 0 in order of appearance, ids that are unique and never empty, `tool-start` once, then
 * input; a call without input gets "{}" at its end. Made-up ids are deterministic: equal for equal bytes.
 */
import { hash32 } from "../core/clock.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, parseJson } from "../core/json.ts";

/** More calls than this in one choice are not an answer. */
export const TOOL_CALLS_MAX = 1_024;

interface Call {
  readonly index: number;
  readonly id: string;
  readonly wireId: string;
  readonly wireIndex: number | undefined;
  name: string;
  hasStarted: boolean;
  /** All input so far, sent or not. */
  input: string;
}

export interface ToolCallAssembler {
  /** Reads the `tool_calls` of one delta or message. @returns false when there are too many calls. */
  read(entries: readonly unknown[], isWhole: boolean, out: GenerationEvent[]): boolean;
  /** Starts what never got a name, gives "{}" to what never got input. */
  finish(out: GenerationEvent[]): void;
  count(): number;
}

/** @param seed makes ids unique beyond this answer where the provider gives none: it must differ between turns. */
export function createToolCallAssembler(choice: number, seed: () => string): ToolCallAssembler {
  const calls: Call[] = [];
  const ids = new Set<string>();

  const open = (wireId: string, wireIndex: number | undefined): Call => {
    const index = calls.length;
    const id = wireId !== "" && !ids.has(wireId) ? wireId : madeUpId(choice, index, seed(), ids);
    ids.add(id);
    const call: Call = { index, id, wireId, wireIndex, name: "", hasStarted: false, input: "" };
    calls.push(call);
    return call;
  };

  /** The call that a piece belongs to, or a new one. */
  const callOf = (piece: Piece, position: number, count: number): Call => {
    const { wireId, wireIndex, name } = piece;
    if (wireId !== "") {
      const known = calls.findLast((call) => call.wireId === wireId);
      if (known !== undefined && (wireIndex === undefined || known.wireIndex === wireIndex)) {
        return repeats(known, piece) ? open(wireId, wireIndex) : known;
      }
      // A new id without a name, at the index of a call: the provider makes up an id for every piece.
      const atIndex = wireIndex === undefined ? undefined : calls.findLast((call) => call.wireIndex === wireIndex);
      if (atIndex !== undefined && (name === "" || (atIndex.wireId === "" && !repeats(atIndex, piece)))) return atIndex;
      return open(wireId, wireIndex);
    }
    if (wireIndex !== undefined) {
      const atIndex = calls.findLast((call) => call.wireIndex === wireIndex);
      return atIndex === undefined || repeats(atIndex, piece) ? open("", wireIndex) : atIndex;
    }
    if (name !== "") return open("", undefined);
    // Neither index nor id nor name: by position among several pieces, else the latest call.
    const continued = count > 1 ? calls[calls.length - count + position] : calls.at(-1);
    return continued ?? open("", undefined);
  };

  return {
    read(entries, isWhole, out) {
      for (let position = 0; position < entries.length; position++) {
        const piece = pieceOf(entries[position]);
        if (piece === undefined) continue;
        const call = isWhole ? open(piece.wireId, piece.wireIndex) : callOf(piece, position, entries.length);
        if (calls.length > TOOL_CALLS_MAX) return false;
        append(call, piece, choice, out);
      }
      return true;
    },
    finish(out) {
      for (const call of calls) {
        if (!call.hasStarted) start(call, choice, out);
        if (call.input === "") out.push({ type: "tool-input-delta", choice, index: call.index, text: "{}" });
      }
    },
    count: () => calls.length,
  };
}

interface Piece {
  readonly wireId: string;
  readonly wireIndex: number | undefined;
  readonly name: string;
  readonly input: string;
}

function pieceOf(entry: unknown): Piece | undefined {
  if (!isObject(entry)) return undefined;
  const body = isObject(entry.function) ? entry.function : entry;
  const input = body.arguments;
  return {
    wireId: typeof entry.id === "string" ? entry.id : "",
    wireIndex: typeof entry.index === "number" ? entry.index : undefined,
    name: typeof body.name === "string" ? body.name : "",
    input: typeof input === "string" ? input : isObject(input) ? JSON.stringify(input) : "",
  };
}

/** A piece with a name and input, for a call whose input is already whole, begins another call. */
function repeats(call: Call, piece: Piece): boolean {
  return piece.name !== "" && piece.input !== "" && call.input !== "" && isObject(parseJson(call.input));
}

function append(call: Call, piece: Piece, choice: number, out: GenerationEvent[]): void {
  if (call.name === "") call.name = piece.name;
  const isFirst = !call.hasStarted && call.name !== "";
  call.input += piece.input;
  if (isFirst) start(call, choice, out);
  else if (call.hasStarted && piece.input !== "") {
    out.push({ type: "tool-input-delta", choice, index: call.index, text: piece.input });
  }
}

/** Announces a call and sends what input was kept until its name was known. */
function start(call: Call, choice: number, out: GenerationEvent[]): void {
  call.hasStarted = true;
  out.push({ type: "tool-start", choice, index: call.index, id: call.id, name: call.name });
  if (call.input !== "") out.push({ type: "tool-input-delta", choice, index: call.index, text: call.input });
}

function madeUpId(choice: number, index: number, seed: string, taken: ReadonlySet<string>): string {
  const place = choice === 0 ? String(index) : `${choice}_${index}`;
  const plain = `call_${place}_${/^[\w-]{1,64}$/.test(seed) ? seed : hash32(seed).toString(16).padStart(8, "0")}`;
  let id = plain;
  for (let turn = 2; taken.has(id); turn++) id = `${plain}_${turn}`;
  return id;
}
