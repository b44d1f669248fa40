/**
 * What a provider must see again beside a tool call (signatures, encrypted reasoning), for clients that keep nothing of an
 * answer but each call's id, name and arguments: packed into bytes, and the form of the ids that lead back to them.
 *
 * An id is `<front>_wps1<kind>_<rest>` in the letters that every dialect takes, at most ID_CHARS_MAX of them. The front is
 * the provider's own id, or letters made of it; so an id that was cut short still differs from its neighbours, and one
 * whose state is lost still has a name to go by.
 * - `i`: the rest is the state itself, sealed;
 * - `g`: the rest names it in the account's gate;
 * - `n`: it was not kept anywhere, there is no rest.
 * Packing loses nothing, whatever characters a text holds; text that is base64 is packed as its bytes. Pure.
 */
import type { ReasoningDetail } from "./chat.ts";
import { hash32 } from "./clock.ts";

export const ID_CHARS_MAX = 1_024;
const FRONT_CHARS_MAX = 64;
const MARK = "_wps1";
/** Entries of one call; more are not read. */
export const ENTRIES_MAX = 256;

export interface StateEntry {
  readonly detail: ReasoningDetail;
  /** Characters of the answer's text that stood before it: its place among the words. */
  readonly at: number;
}

/** What belongs to one tool call. */
export interface CallState {
  /** The provider's own id of the call. */
  readonly callId: string;
  readonly entries: readonly StateEntry[];
}

export type StateKind = "inline" | "gate" | "none";

/** An id of ours, taken apart. */
export interface StatefulId {
  readonly kind: StateKind;
  readonly front: string;
  readonly rest: string;
}

const LETTER: Readonly<Record<StateKind, string>> = { inline: "i", gate: "g", none: "n" };
const KIND: ReadonlyMap<string, StateKind> = new Map([
  ["i", "inline"],
  ["g", "gate"],
  ["n", "none"],
]);

/** The id that a client gets for a call that its provider calls `callId`. */
export function statefulId(callId: string, kind: StateKind, rest: string): string {
  return `${frontOf(callId)}${MARK}${LETTER[kind]}${rest === "" ? "" : `_${rest}`}`;
}

/** The parts of an id of ours; undefined for every other id. */
export function readStatefulId(id: string): StatefulId | undefined {
  const at = id.indexOf(MARK);
  if (at < 1 || at > FRONT_CHARS_MAX || id.length > ID_CHARS_MAX || !/^[\w-]+$/.test(id)) return undefined;
  const behind = at + MARK.length;
  const kind = KIND.get(id.charAt(behind));
  const rest = id.slice(behind + 2);
  if (kind === undefined || (kind === "none" ? id.length > behind + 1 : id.charAt(behind + 1) !== "_" || rest === "")) {
    return undefined;
  }
  return { kind, front: id.slice(0, at), rest };
}

/** Whether an id looks like one of ours, at the price of one search. */
export function mayBeStateful(id: string): boolean {
  return id.includes(MARK);
}

function frontOf(callId: string): string {
  if (/^[\w-]{1,64}$/.test(callId) && !callId.includes(MARK)) return callId;
  const letters = callId.replace(/[^A-Za-z0-9-]/g, "_").replaceAll(MARK, "_wps-");
  return `${letters.slice(0, 48) || "call"}_${hash32(callId).toString(36)}`;
}

/** True for an entry that a provider reads again: signed, or encrypted. */
export function isState({ signature, data }: ReasoningDetail): boolean {
  return (typeof signature === "string" && signature !== "") || (data !== undefined && data !== "");
}

const VERSION = 1;
const TYPES: readonly ReasoningDetail["type"][] = ["reasoning.text", "reasoning.summary", "reasoning.encrypted"];
const FIELDS = ["text", "signature", "summary", "data", "id", "format"] as const;

/** How a text is packed. */
const ABSENT = 0;
const NULL = 1;
const UTF8 = 2;
const BASE64 = 3;
const BASE64_URL = 4;
/** Text with half a surrogate pair, which UTF-8 cannot say. */
const UTF16 = 5;
/** The id of the very call. */
const OF_CALL = 6;

/** The state as bytes. */
export function packState({ callId, entries }: CallState): Uint8Array {
  const out: number[] = [VERSION];
  writeText(out, callId, null);
  writeNumber(out, entries.length);
  for (const { detail, at } of entries) {
    out.push(TYPES.indexOf(detail.type));
    writeNumber(out, at);
    writeNumber(out, detail.index === undefined ? 0 : detail.index + 1);
    for (const name of FIELDS) writeText(out, detail[name], name === "id" ? callId : null);
  }
  return Uint8Array.from(out);
}

/** What was packed; undefined for bytes that are nothing of the kind. Never throws. */
export function unpackState(bytes: Uint8Array): CallState | undefined {
  const reader: Reader = { bytes, at: 0, isBroken: false };
  if (readByte(reader) !== VERSION) return undefined;
  const callId = readText(reader, "");
  const count = readNumber(reader);
  if (typeof callId !== "string" || count > ENTRIES_MAX) return undefined;
  const entries: StateEntry[] = [];
  for (let left = count; left > 0 && !reader.isBroken; left--) {
    const type = TYPES[readByte(reader)];
    const at = readNumber(reader);
    const index = readNumber(reader);
    if (type === undefined) return undefined;
    const detail: Record<string, unknown> = { type };
    for (const name of FIELDS) {
      const value = readText(reader, callId);
      if (value !== undefined) detail[name] = value;
    }
    if (index > 0) detail["index"] = index - 1;
    entries.push({ detail: detail as unknown as ReasoningDetail, at }); // its members were just read one by one
  }
  return reader.isBroken || reader.at !== bytes.length ? undefined : { callId, entries };
}

function writeNumber(out: number[], value: number): void {
  let rest = value;
  while (rest > 127) {
    out.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

function writeText(out: number[], text: string | null | undefined, callId: string | null): void {
  if (text === undefined) out.push(ABSENT);
  else if (text === null) out.push(NULL);
  else if (text === callId) out.push(OF_CALL);
  else {
    const [form, bytes] = formOf(text);
    out.push(form);
    writeNumber(out, bytes.length);
    for (const byte of bytes) out.push(byte);
  }
}

function formOf(text: string): readonly [number, Uint8Array] {
  const padded = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? bytesOfBase64(text) : undefined;
  if (padded !== undefined && base64Of(padded) === text) return [BASE64, padded];
  const url = /^[\w-]+$/.test(text) ? fromBase64Url(text) : undefined;
  if (url !== undefined && toBase64Url(url) === text) return [BASE64_URL, url];
  if (text.isWellFormed()) return [UTF8, new TextEncoder().encode(text)];
  const units = new Uint8Array(text.length * 2);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    units[2 * at] = unit & 255;
    units[2 * at + 1] = unit >> 8;
  }
  return [UTF16, units];
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
  /** More was to be read than there is. */
  isBroken: boolean;
}

function readByte(reader: Reader): number {
  const byte = reader.bytes[reader.at++];
  if (byte === undefined) reader.isBroken = true;
  return byte ?? 0;
}

function readNumber(reader: Reader): number {
  let value = 0;
  for (let factor = 1; factor <= 2 ** 42; factor *= 128) {
    const byte = readByte(reader);
    value += (byte & 127) * factor;
    if (byte < 128) return value;
  }
  reader.isBroken = true;
  return 0;
}

function readText(reader: Reader, callId: string): string | null | undefined {
  const form = readByte(reader);
  if (form === ABSENT) return undefined;
  if (form === NULL) return null;
  if (form === OF_CALL) return callId;
  const length = readNumber(reader);
  const bytes = reader.bytes.subarray(reader.at, reader.at + length);
  reader.at += length;
  if (bytes.length < length) reader.isBroken = true;
  switch (form) {
    case UTF8:
      return new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes);
    case BASE64:
      return base64Of(bytes);
    case BASE64_URL:
      return toBase64Url(bytes);
    case UTF16: {
      let text = "";
      for (let at = 0; at + 1 < bytes.length; at += 2) {
        text += String.fromCharCode((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
      }
      return text;
    }
    default:
      reader.isBroken = true;
      return undefined;
  }
}

/** Bytes in the letters that ids may have. */
export function toBase64Url(bytes: Uint8Array): string {
  return base64Of(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of such letters; undefined where they are none. */
export function fromBase64Url(text: string): Uint8Array | undefined {
  return bytesOfBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function bytesOfBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
