/**
 * Videos from each dialect that has them to each format: which part of them is looked at, frames, addresses of YouTube, and
 * the pictures' detail beside them.
 */
import { describe, expect, test } from "vitest";
import type { ChatRequest, Part } from "../../../src/core/chat.ts";
import { gemini as geminiDialect } from "../../../src/dialects/gemini.ts";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import type { Adapter, Target } from "../../../src/providers/adapter.ts";
import { bedrock } from "../../../src/providers/bedrock.ts";
import { gemini } from "../../../src/providers/gemini.ts";
import { openAiCompatible } from "../../../src/providers/openai-compatible.ts";
import { vertex } from "../../../src/providers/vertex.ts";
import { DEFAULT_TARGET, HELLO } from "../../contract/providers/cases.ts";

const URL = "https://example.com/a.mp4";
const YOUTUBE = "https://www.youtube.com/watch?v=9hE5-98ZeCg";
const FRAMES = ["https://example.com/1.png", "https://example.com/2.png"];
const QWEN = { video_frames: true, audio_data: "data_url" };

function chatOf(part: unknown): readonly Part[] {
  const parsed = openAiChat.parse({ model: "a/b", messages: [{ role: "user", content: [part] }] });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.request.messages[0]?.parts ?? [];
}

function geminiOf(part: unknown): { readonly parts: readonly Part[]; readonly warnings: readonly string[] } {
  const parsed = geminiDialect.parse({ contents: [{ parts: [part] }] }, { model: "a/b", header: () => null });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return { parts: parsed.value.request.messages[0]?.parts ?? [], warnings: parsed.value.warnings };
}

/** The parts as this adapter sends them. */
function sent(adapter: Adapter, parts: readonly Part[], over: Partial<Target> = {}) {
  const request: ChatRequest = { ...HELLO, messages: [{ role: "user", parts }] };
  const encoded = adapter.encode(request, { ...DEFAULT_TARGET, ...over });
  if (!encoded.ok) return { content: encoded.error, warnings: [] };
  const body = JSON.parse(encoded.value.body) as {
    readonly contents?: readonly { readonly parts: unknown }[];
    readonly messages?: readonly { readonly content: unknown }[];
  };
  const content = body.contents === undefined ? body.messages?.[0]?.content : body.contents[0]?.parts;
  return { content, warnings: encoded.value.warnings };
}

describe("what is said of a video", () => {
  test.each([
    {
      name: "Qwen's frame rate",
      parts: chatOf({ type: "video_url", video_url: { url: URL }, fps: 2 }),
      range: { fps: 2 },
    },
    {
      name: "metadata beside an address",
      parts: chatOf({
        type: "video_url",
        video_url: { url: URL },
        video_metadata: { start_offset: "10s", end_offset: "12.5s", fps: 4 },
      }),
      range: { startS: 10, endS: 12.5, fps: 4 },
    },
    {
      name: "Gemini's metadata",
      parts: geminiOf({
        file_data: { file_uri: URL, mime_type: "video/mp4" },
        video_metadata: { start_offset: "10s", end_offset: "12.5s", fps: 4 },
      }).parts,
      range: { startS: 10, endS: 12.5, fps: 4 },
    },
  ])("$name is its range", ({ parts, range }) => {
    expect(parts).toEqual([{ type: "video", url: URL, range }]);
  });

  test.each([
    { type: "video_url", video_url: { url: URL }, fps: 0 },
    { type: "video_url", video_url: { url: URL }, video_metadata: { start_offset: "10" } },
    { type: "video", video: [] },
    { type: "video", video: [URL.replace("https:", "file:")] },
  ])("%o is refused with its path", (part) => {
    const parsed = openAiChat.parse({ model: "a/b", messages: [{ role: "user", content: [part] }] });
    expect(parsed).toMatchObject({ ok: false, error: { kind: "bad_request" } });
    expect(JSON.stringify(parsed)).toContain("messages[0].content[0]");
  });

  const ranged: readonly Part[] = [{ type: "video", url: URL, range: { startS: 10, endS: 12.5, fps: 4 } }];

  test("Gemini hears all of it", () => {
    const fileData = { mimeType: "video/mp4", fileUri: URL };
    const videoMetadata = { startOffset: "10s", endOffset: "12.5s", fps: 4 };
    expect(sent(gemini, ranged)).toEqual({ content: [{ fileData, videoMetadata }], warnings: [] });
  });

  test("Qwen hears the frame rate, and the client is told of the rest", () => {
    const { content, warnings } = sent(openAiCompatible, ranged, { quirks: QWEN });
    expect(content).toEqual([{ type: "video_url", video_url: { url: URL }, fps: 4 }]);
    expect(warnings).toEqual(["Where a video begins and ends cannot be said here: all of it is sent."]);
  });

  test("others are sent the video, and the client is told", () => {
    const { content, warnings } = sent(openAiCompatible, ranged);
    expect(content).toEqual([{ type: "video_url", video_url: { url: URL } }]);
    expect(warnings).toHaveLength(2);
    const nova = sent(bedrock, [{ type: "video", url: "data:video/mp4;base64,AAAA", range: { fps: 1 } }], {
      upstreamModel: "amazon.nova-pro-v1:0",
      region: "us-east-1",
      baseUrl: "https://bedrock-runtime.us-east-1.amazonaws.com",
    });
    expect(nova.content).toEqual([{ video: { format: "mp4", source: { bytes: "AAAA" } } }]);
    expect(nova.warnings.join(" ")).toContain("all of it is sent");
  });
});

describe("a video as frames", () => {
  const parts = chatOf({ type: "video", video: FRAMES, fps: 2 });

  test("is one part", () => {
    expect(parts).toEqual([{ type: "video", url: FRAMES[0], frames: FRAMES, range: { fps: 2 } }]);
  });

  test("is Qwen's own form", () => {
    const { content, warnings } = sent(openAiCompatible, parts, { quirks: QWEN });
    expect({ content, warnings }).toEqual({ content: [{ type: "video", video: FRAMES, fps: 2 }], warnings: [] });
  });

  test("is pictures one after the other elsewhere, and the client is told", () => {
    const pictures = sent(openAiCompatible, parts);
    expect(pictures.content).toEqual(FRAMES.map((url) => ({ type: "image_url", image_url: { url } })));
    expect(pictures.warnings).toEqual(["The frames of a video are sent as pictures here, one after the other."]);
    expect(sent(gemini, parts).content).toEqual(
      FRAMES.map((fileUri) => ({ fileData: { mimeType: "image/png", fileUri } })),
    );
  });

  test("is refused by who takes videos alone", () => {
    expect(sent(bedrock, parts, { upstreamModel: "amazon.nova-pro-v1:0", region: "us-east-1" }).content).toBe(
      "This provider takes a video, not its frames.",
    );
  });
});

describe("a page of YouTube", () => {
  test.each([
    { name: "without a type", part: { fileData: { fileUri: YOUTUBE } } },
    { name: "with one", part: { fileData: { fileUri: YOUTUBE, mimeType: "video/mp4" } } },
  ])("is a video, $name", ({ part }) => {
    expect(geminiOf(part).parts).toEqual([{ type: "video", url: YOUTUBE }]);
  });

  const parts: readonly Part[] = [{ type: "video", url: YOUTUBE }];

  test("goes on as it is, with a type where the platform wants one", () => {
    expect(sent(gemini, parts).content).toEqual([{ fileData: { fileUri: YOUTUBE } }]);
    const onVertex = sent(vertex, parts, {
      upstreamModel: "gemini-2.5-flash",
      credential: "AIzaSyExample",
      baseUrl: "https://aiplatform.googleapis.com/v1",
    });
    expect(onVertex.content).toEqual([{ fileData: { mimeType: "video/mp4", fileUri: YOUTUBE } }]);
  });
});

describe("the detail of a picture", () => {
  const picture = (detail: "low" | "high" | "original"): readonly Part[] => [
    { type: "image", url: "data:image/png;base64,AAAA", detail },
  ];
  const inlineData = { mimeType: "image/png", data: "AAAA" };

  test.each([
    { detail: "low", level: "MEDIA_RESOLUTION_LOW" },
    { detail: "high", level: "MEDIA_RESOLUTION_HIGH" },
  ] as const)("$detail is $level both ways, from Gemini 3 on", ({ detail, level }) => {
    const { content, warnings } = sent(gemini, picture(detail), { upstreamModel: "gemini-3.1-pro" });
    expect({ content, warnings }).toEqual({
      content: [{ inlineData, mediaResolution: { level } }],
      warnings: [],
    });
    expect(geminiOf({ inlineData, mediaResolution: { level } })).toEqual({ parts: picture(detail), warnings: [] });
  });

  test("is named where it cannot be said", () => {
    const sentence = "The detail of an image cannot be set here and was left out.";
    expect(sent(gemini, picture("high"), { upstreamModel: "gemini-2.5-flash" })).toEqual({
      content: [{ inlineData }],
      warnings: [sentence],
    });
    expect(sent(gemini, picture("original"), { upstreamModel: "gemini-3.1-pro" }).warnings).toEqual([sentence]);
    expect(geminiOf({ inlineData, mediaResolution: { level: "MEDIA_RESOLUTION_MEDIUM" } }).warnings).toHaveLength(1);
  });
});

test("Qwen hears audio as a data URL", () => {
  const audio: readonly Part[] = [{ type: "audio", data: "AAAA", format: "mp3" }];
  const said = (data: string) => [{ type: "input_audio", input_audio: { data, format: "mp3" } }];
  expect(sent(openAiCompatible, audio, { quirks: QWEN }).content).toEqual(said("data:;base64,AAAA"));
  expect(sent(openAiCompatible, audio).content).toEqual(said("AAAA"));
});
