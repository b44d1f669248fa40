/**
 * Images, documents and videos as Converse's blocks: bytes, or an object of the account's own storage (`s3://`). The API
 * fetches nothing from elsewhere, so an address on the web is a reason to ask another endpoint.
 * Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html, ..._DocumentBlock.html,
 * ..._VideoBlock.html (accessed 2026-11-21).
 */
import type { FilePart } from "../core/chat.ts";
import { parseDataUrl, refuse, type Notes, type WireObject } from "./echo.ts";

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html (accessed 2026-11-21). */
const NAME_CHARS_MAX = 200;

const IMAGE_FORMATS: Readonly<Record<string, string>> = {
  "image/png": "png",
  "image/jpeg": "jpeg",
  "image/jpg": "jpeg",
  "image/gif": "gif",
  "image/webp": "webp",
};
const DOCUMENT_FORMATS: Readonly<Record<string, string>> = {
  "application/pdf": "pdf",
  "text/csv": "csv",
  "application/msword": "doc",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "text/html": "html",
  "text/plain": "txt",
  "application/json": "txt",
  "text/markdown": "md",
};
const VIDEO_FORMATS: Readonly<Record<string, string>> = {
  "video/mp4": "mp4",
  "video/quicktime": "mov",
  "video/x-matroska": "mkv",
  "video/webm": "webm",
  "video/x-flv": "flv",
  "video/mpeg": "mpeg",
  "video/x-ms-wmv": "wmv",
  "video/3gpp": "three_gp",
};

/** An image's block; null when it cannot be said, which is in `notes`. */
export function imageBlock(url: string, notes: Notes): WireObject | null {
  const image = mediaOf("image", url, IMAGE_FORMATS, notes);
  return image === null ? null : { image };
}

/** A video's block; null when it cannot be said, which is in `notes`. */
export function videoBlock(url: string, notes: Notes): WireObject | null {
  const video = mediaOf("video", url, VIDEO_FORMATS, notes);
  return video === null ? null : { video };
}

/** A document's block, or an image's where the file is one; null when it cannot be said, which is in `notes`. */
export function fileBlock(part: FilePart, notes: Notes): WireObject | null {
  if (part.data === undefined) {
    return refuse(notes, "This provider knows no uploaded files: a file needs file_data.");
  }
  if (part.data.startsWith("data:image/")) return imageBlock(part.data, notes);
  const document = mediaOf("document", part.data, DOCUMENT_FORMATS, notes);
  return document === null ? null : { document: { name: nameOf(part.filename), ...document } };
}

function mediaOf(
  kind: "image" | "video" | "document",
  url: string,
  formats: Readonly<Record<string, string>>,
  notes: Notes,
): WireObject | null {
  const s3 = /^s3:\/\/[^/]+\/.*\.([a-z0-9]{2,4})$/i.exec(url);
  if (s3 !== null) {
    const ending = s3[1]?.toLowerCase() ?? "";
    return { format: ending === "jpg" ? "jpeg" : ending, source: { s3Location: { uri: url } } };
  }
  if (!url.startsWith("data:")) return refuse(notes, `This provider takes bytes, not an address, for: ${kind}.`);
  const media = parseDataUrl(url);
  if (media === null) return refuse(notes, `The data URL of the ${kind} cannot be read.`);
  const format = Object.hasOwn(formats, media.mediaType) ? formats[media.mediaType] : undefined;
  if (format === undefined) return refuse(notes, `This provider takes no ${kind} of type ${media.mediaType}.`);
  return { format, source: { bytes: media.base64 } };
}

/** A file's name in the letters that the API takes: no dots, and no two spaces in a row. */
function nameOf(filename: string | undefined): string {
  const plain = (filename ?? "")
    .replace(/[^\p{L}\p{N}\s()[\]-]/gu, " ")
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9\s()[\]-]/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, NAME_CHARS_MAX - 10);
  return plain === "" ? "document" : plain;
}
