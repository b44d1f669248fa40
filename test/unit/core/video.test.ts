/** Addresses that name a page instead of a file, and the ranges of videos. */
import { expect, test } from "vitest";
import type { Part } from "../../../src/core/chat.ts";
import { estimatePromptTokens } from "../../../src/core/estimate.ts";
import { durationOf, holdsYouTube, isYouTube, videoRange } from "../../../src/core/video.ts";

test.each([
  ["https://www.youtube.com/watch?v=9hE5-98ZeCg", true],
  ["https://youtube.com/watch?v=9hE5-98ZeCg&t=3", true],
  ["http://m.youtube.com/shorts/abc", true],
  ["https://youtu.be/9hE5-98ZeCg", true],
  ["https://www.youtube-nocookie.com/embed/abc", true],
  ["https://www.youtube.com/", false],
  ["https://youtube.com.evil.example/watch?v=a", false],
  ["https://evil.example/https://youtu.be/a", false],
  ["https://example.com/a.mp4", false],
  ["data:video/mp4;base64,AAAA", false],
])("%s is a page of YouTube: %s", (url, expected) => {
  expect(isYouTube(url)).toBe(expected);
  expect(holdsYouTube([{ role: "user", parts: [{ type: "video", url }] }])).toBe(expected);
  // A text may speak of one.
  expect(holdsYouTube([{ role: "user", parts: [{ type: "text", text: url }] }])).toBe(false);
});

test("a range is what is said of it", () => {
  expect(videoRange("1.5s", "40s", 0.5)).toEqual({ range: { startS: 1.5, endS: 40, fps: 0.5 } });
  expect(videoRange(null, undefined, 2)).toEqual({ range: { fps: 2 } });
  expect(videoRange(undefined, null, null)).toEqual({});
  expect(durationOf(1.5)).toBe("1.5s");
});

test.each([
  { name: "the seconds that are looked at", more: { range: { startS: 10, endS: 20 } }, tokens: 10 * 295 },
  { name: "more for more frames", more: { range: { endS: 10, fps: 2 } }, tokens: 20 * 295 },
  { name: "its frames", more: { frames: ["https://e.example/1.png", "https://e.example/2.png"] }, tokens: 2 * 1_200 },
  { name: "a constant where nothing is known", more: {}, tokens: 20_000 },
])("a video is guessed by $name", ({ more, tokens }) => {
  const tokensOf = (parts: readonly Part[]): number =>
    estimatePromptTokens({
      messages: [{ role: "user", parts }],
      stream: false,
      sampling: {},
      stop: [],
      tools: [],
      extra: {},
    });
  const video: Part = { type: "video", url: "https://e.example/1.png", ...more };
  expect(Math.abs(tokensOf([video]) - tokensOf([]) - tokens * 1.15)).toBeLessThan(2);
});
