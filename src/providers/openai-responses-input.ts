/**
 * The conversation as items of the Responses API: messages, reasoning, calls and their outputs, in the order in which they
 * came. Encrypted reasoning goes back byte for byte, beside the id and the summary that it came with; what another provider
 * encrypted or signed is left out and said so, and so is reasoning without its encrypted form, of which the API, having
 * stored nothing, knows nothing.
 * Source: https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items (accessed 2026-11-21).
 */
import type {
  AssistantMessage,
  CacheControl,
  ChatRequest,
  FilePart,
  Part,
  ReasoningDetail,
  ToolMessage,
} from "../core/chat.ts";
import { hash32 } from "../core/clock.ts";
import { FAILED_TOOL, joinedReasoning, parseDataUrl, refuse, writeTurn, type Notes } from "./echo.ts";
import type { ResponsesQuirks } from "./openai-responses-quirks.ts";

/** A value on its way into JSON; undefined members are left out by JSON.stringify. */
type Wire = Record<string, unknown>;

/** Longest id of a call that the API takes. */
const CALL_ID_CHARS_MAX = 64;
/** The API wants a name beside the bytes of a file; by media type, for files that have none. */
const FILENAMES: Readonly<Record<string, string>> = {
  "application/pdf": "document.pdf",
  "application/json": "document.json",
  "text/plain": "document.txt",
};

const NAMELESS = "name in messages has no form here and was left out.";

interface Writing {
  readonly quirks: ResponsesQuirks;
  readonly notes: Notes;
}

/** All items of the conversation; what cannot be said goes to `notes`. */
export function inputItems(request: ChatRequest, quirks: ResponsesQuirks, notes: Notes): Wire[] {
  const writing: Writing = { quirks, notes };
  const last = request.messages.length - 1;
  const items: Wire[] = [];
  for (const [at, message] of request.messages.entries()) {
    const automatic = at === last ? request.cacheControl : undefined;
    switch (message.role) {
      case "system":
      case "developer":
      case "user":
        if (message.name !== undefined) notes.warnings.add(NAMELESS);
        if (message.parts.length > 0)
          items.push({ role: message.role, content: contentOf(message.parts, automatic, writing) });
        break;
      case "assistant":
        if (message.name !== undefined) notes.warnings.add(NAMELESS);
        items.push(...assistantItems(message, writing));
        break;
      case "tool":
        items.push(outputItem(message, automatic, writing));
        break;
      default:
        message satisfies never;
    }
  }
  if (items.length === 0) refuse(notes, "This provider needs at least one message.");
  return items;
}

/** A plain string where possible. */
function contentOf(parts: readonly Part[], automatic: CacheControl | undefined, writing: Writing): unknown {
  const content = parts.map((part, at) => {
    const wanted = part.cacheControl ?? (at === parts.length - 1 ? automatic : undefined);
    return { ...inputPart(part, writing), ...breakpointOf(wanted, writing) };
  });
  const [only] = parts;
  if (only?.type !== "text" || content.length > 1) return content;
  return Object.keys(content[0] ?? {}).length === 2 ? only.text : content;
}

function inputPart(part: Part, { notes }: Writing): Wire {
  switch (part.type) {
    case "text":
      return { type: "input_text", text: part.text };
    case "image":
      return imagePart(part.url, part.detail);
    case "file":
      return filePart(part, notes);
    case "audio":
      return { type: "input_audio", input_audio: { data: part.data, format: part.format } };
    case "video":
      refuse(notes, "This provider takes no video input.");
      return {};
    default:
      return part satisfies never;
  }
}

function imagePart(url: string, detail?: string): Wire {
  return { type: "input_image", image_url: url, ...(detail === undefined ? {} : { detail }) };
}

function filePart(part: FilePart, notes: Notes): Wire {
  if (part.fileId !== undefined) return { type: "input_file", file_id: part.fileId };
  if (part.data === undefined) {
    refuse(notes, "A file part needs its data or the id of a file.");
    return {};
  }
  if (!part.data.startsWith("data:")) return { type: "input_file", file_url: part.data };
  const media = parseDataUrl(part.data);
  if (media === null) {
    refuse(notes, "The data URL of the file cannot be read.");
    return {};
  }
  const url = `data:${media.mediaType};base64,${media.base64}`;
  if (media.mediaType.startsWith("image/")) return imagePart(url);
  const named = Object.hasOwn(FILENAMES, media.mediaType) ? FILENAMES[media.mediaType] : undefined;
  return { type: "input_file", filename: part.filename ?? named ?? "document", file_data: url };
}

function breakpointOf(control: CacheControl | undefined, { quirks, notes }: Writing): Wire {
  if (control === undefined) return {};
  if (!quirks.cache_breakpoints) {
    notes.warnings.add("cache_control is not read by this endpoint and was left out.");
    return {};
  }
  if (control.ttl !== undefined) notes.warnings.add("ttl of cache_control has no form here and was left out.");
  return { prompt_cache_breakpoint: { mode: "explicit" } };
}

/** A result of a tool: a text, or parts where there is more than that. */
function outputItem(message: ToolMessage, automatic: CacheControl | undefined, writing: Writing): Wire {
  if (message.isError === true) writing.notes.warnings.add(FAILED_TOOL);
  const output = message.parts.length === 0 ? "" : contentOf(message.parts, automatic, writing);
  return { type: "function_call_output", call_id: callIdOf(message.toolCallId), output };
}

/** Ids of other providers may be longer than this API takes; call and output are shortened alike. */
function callIdOf(id: string): string {
  if (id.length <= CALL_ID_CHARS_MAX) return id;
  return `${id.slice(0, 48)}_${hash32(id).toString(36)}`;
}

/** What a turn is made of, before neighbours are put together. */
type Piece =
  | { readonly kind: "reasoning"; readonly detail: ReasoningDetail }
  | { readonly kind: "content"; readonly part: Wire }
  | { readonly kind: "call"; readonly item: Wire };

function assistantItems(message: AssistantMessage, writing: Writing): Wire[] {
  const pieces = writeTurn<Piece>(message, {
    reasoning: (details) => details.map((detail) => ({ kind: "reasoning", detail })),
    part: (part) => answerPiece(part, writing),
    call: ({ id, name, input, cacheControl }) => {
      breakpointLeftOut(cacheControl, writing);
      return [{ kind: "call", item: { type: "function_call", call_id: callIdOf(id), name, arguments: input || "{}" } }];
    },
    refusal: (refusal) => [{ kind: "content", part: { type: "refusal", refusal } }],
  });
  const items: Wire[] = [];
  for (let at = 0; at < pieces.length;) {
    const kind = pieces[at]?.kind;
    const others = pieces.slice(at).findIndex((piece) => piece.kind !== kind);
    const run = pieces.slice(at, others === -1 ? pieces.length : at + others);
    at += run.length;
    items.push(...itemsOfRun(run, writing));
  }
  return items;
}

/** Items of neighbours of one kind. */
function itemsOfRun(run: readonly Piece[], writing: Writing): Wire[] {
  const content = run.flatMap((piece) => (piece.kind === "content" ? [piece.part] : []));
  const details = run.flatMap((piece) => (piece.kind === "reasoning" ? [piece.detail] : []));
  const calls = run.flatMap((piece) => (piece.kind === "call" ? [piece.item] : []));
  return [
    ...reasoningItems(details, writing),
    ...(content.length === 0 ? [] : [{ role: "assistant", content }]),
    ...calls,
  ];
}

function answerPiece(part: Part, writing: Writing): Piece[] {
  breakpointLeftOut(part.cacheControl, writing);
  if (part.type === "text")
    return part.text === "" ? [] : [{ kind: "content", part: { type: "output_text", text: part.text } }];
  writing.notes.warnings.add(`An ${part.type} in an earlier answer cannot be sent back here and was left out.`);
  return [];
}

function breakpointLeftOut(control: CacheControl | undefined, { notes }: Writing): void {
  if (control !== undefined) notes.warnings.add("cache_control in earlier answers has no form here and was left out.");
}

/** Entries of one item stand together and share its id or its index: clients keep either. */
function reasoningItems(details: readonly ReasoningDetail[], { quirks, notes }: Writing): Wire[] {
  const own = details.filter((detail) => detail.format === quirks.reasoning_format);
  if (own.length < details.length)
    notes.warnings.add("Reasoning of another provider cannot be sent back here and was left out.");
  const groups: ReasoningDetail[][] = [];
  for (const detail of joinedReasoning(own)) {
    const group = groups.at(-1);
    if (group?.[0] !== undefined && isOfItem(group[0], detail)) group.push(detail);
    else groups.push([detail]);
  }
  return groups.flatMap((group) => reasoningItem(group, notes));
}

function isOfItem(first: ReasoningDetail, next: ReasoningDetail): boolean {
  return (Boolean(first.id) && first.id === next.id) || (first.index !== undefined && first.index === next.index);
}

function reasoningItem(group: readonly ReasoningDetail[], notes: Notes): Wire[] {
  const secret = group.find((detail) => detail.type === "reasoning.encrypted" && detail.data);
  if (secret === undefined) {
    notes.warnings.add("Reasoning without its encrypted form cannot be sent back here and was left out.");
    return [];
  }
  // Encrypted content is bound to the item that it came with.
  const id = secret.id ?? group.find((detail) => detail.id)?.id;
  const summary = group.flatMap(({ summary: text }) => (text ? [{ type: "summary_text", text }] : []));
  const content = group.flatMap(({ text }) => (text ? [{ type: "reasoning_text", text }] : []));
  return [
    {
      type: "reasoning",
      ...(id ? { id } : {}),
      summary,
      ...(content.length === 0 ? {} : { content }),
      encrypted_content: secret.data,
    },
  ];
}
