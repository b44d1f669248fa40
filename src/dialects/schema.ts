/**
 * What the bodies of all dialects have in common: what makes a URL or base64 usable, ranges, names. Strings are checked by
 * zod and never copied; long ones (a 25 MB image) are looked at only at their beginning. `null` means "not set".
 */
import * as z from "zod";
import type { ErrorType } from "../core/error.ts";
import { ID_CHARS_MAX } from "../core/provider-state.ts";

/** Models that one request may name. */
export const MODELS_MAX = 16;
const HTTP_URL_CHARS_MAX = 8_192;
/** Where the comma of a data URL must be found: longer media types do not exist. */
const DATA_URL_HEAD_CHARS_MAX = 256;
const BASE64_DATA_URL = /^data:([a-z0-9.+-]+)\/[a-z0-9.+-]+(?:;[^;,]+)*;base64,$/i;

/** Adds one fault to a zod check; `errorType` says more than `invalid_request` where it can. */
type Fault = { readonly message: string; readonly errorType?: ErrorType };

/** A string that must pass `judge`, which sees the string itself and never copies it. */
function text(judge: (value: string) => Fault | undefined): z.ZodString {
  return z.string().check((context) => {
    const fault = judge(context.value);
    if (fault === undefined) return;
    context.issues.push({
      code: "custom",
      input: undefined,
      message: fault.message,
      params: fault.errorType === undefined ? {} : { errorType: fault.errorType },
    });
  });
}

const IMAGE_URL = "must be an http(s) URL or a data URL such as data:image/png;base64,...";

/** What is wrong with a URL that must be http(s) or a base64 data URL of `media` ("" takes any). */
function judgeUrl(url: string, media: string, remedy: string): Fault | undefined {
  const scheme = url.slice(0, 8).toLowerCase();
  if (scheme.startsWith("https://") || scheme.startsWith("http://")) {
    if (url.length > HTTP_URL_CHARS_MAX) return { message: `must have at most ${HTTP_URL_CHARS_MAX} characters` };
    return URL.parse(url) !== null ? undefined : { message: `is not a valid URL; it ${remedy}` };
  }
  if (!scheme.startsWith("data:")) return { message: remedy };
  const head = url.slice(0, DATA_URL_HEAD_CHARS_MAX);
  const comma = head.indexOf(",");
  const found = comma === -1 ? null : BASE64_DATA_URL.exec(head.slice(0, comma + 1));
  if (found === null) return { message: `is not a well-formed base64 data URL; it ${remedy}` };
  if (url.length === comma + 1) return { message: `is a data URL without data; it ${remedy}` };
  if (media !== "" && found[1]?.toLowerCase() !== media) return { message: `holds no ${media}; it ${remedy}` };
  return undefined;
}

function judgeImageUrl(url: string): Fault | undefined {
  const fault = judgeUrl(url, "image", IMAGE_URL);
  if (fault === undefined) return undefined;
  return { ...fault, errorType: fault.message.startsWith("holds no") ? "unsupported_image_format" : "invalid_image" };
}

export const imageUrl = text(judgeImageUrl);
export const videoUrl = text((url) =>
  judgeUrl(url, "video", "must be an http(s) URL or a data URL such as data:video/mp4;base64,..."),
);
export const fileData = text((url) =>
  judgeUrl(url, "", "must be an http(s) URL or a data URL such as data:application/pdf;base64,..."),
);
export const audioData = text((data) => {
  const start = data.slice(0, 8).toLowerCase();
  if (start.startsWith("data:")) return { message: "must be the base64 alone, without a data: prefix" };
  if (start.startsWith("http")) return { message: "must be base64; audio URLs are not supported" };
  return data === "" ? { message: "must be base64 of the audio, not empty" } : undefined;
});

/** A breakpoint of the prompt cache. */
export const cacheControl = z
  .looseObject({ type: z.literal("ephemeral"), ttl: z.enum(["5m", "1h"]).nullish() })
  .nullish();

/** `author/slug`, with variants. */
export const modelName = z.string().min(1).max(256);

/** The slug of a preset of the account. */
export const presetName = z
  .string()
  .min(1)
  .max(256)
  .nullish()
  .describe(
    "The slug of a preset of the account, which says what the body leaves open; also `@preset/slug` as a model",
  );

export const jsonObject = z.custom<Record<string, unknown>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be an object",
);

/** How much a model is to think. */
export const effort = z.enum(["max", "xhigh", "high", "medium", "low", "minimal", "none"]).nullish();

export const between = (min: number, max: number) => z.number().min(min).max(max).nullish();
export const wholeBetween = (min: number, max: number) => z.int().min(min).max(max).nullish();
/** A limit in tokens. */
export const tokens = wholeBetween(1, 100_000_000);

/** The id of a tool call: those that we give out must come back. */
export const callId = z.string().min(1).max(ID_CHARS_MAX);

/** Pairs of the client's own. */
export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, { error: "must have at most 16 pairs" });
