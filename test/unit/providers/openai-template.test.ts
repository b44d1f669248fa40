import fc from "fast-check";
import { expect, test } from "vitest";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { createTextTemplate } from "../../../src/providers/openai-template.ts";

const frame = (content: string, tail = '"finish_reason":null'): string =>
  `{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":${content}},${tail}}]}`;
const text = (value: string): GenerationEvent[] => [{ type: "text-delta", choice: 0, text: value }];

test("any text in the same frame is read as JSON.parse would read it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (value) => {
      const template = createTextTemplate();
      template.learn(frame('"a"'), text("a"));
      expect(template.match(frame(JSON.stringify(value)))).toBe(value);
    }),
  );
});

test.each([
  { name: "another tail", data: frame('"b"', '"finish_reason":"stop"') },
  { name: "an empty text", data: frame('""') },
  { name: "no text", data: frame("null") },
  { name: "more members after the text", data: frame('"b","refusal":"c"') },
  { name: "a lone backslash before the end", data: frame('"b\\"') },
  { name: "a raw line break", data: frame('"b\n"') },
  { name: "an invalid escape", data: frame('"\\x"') },
  { name: "nothing but the frame's two ends", data: '{"id":"c1"}' },
])("a frame with $name is left to the parser", ({ data }) => {
  const template = createTextTemplate();
  template.learn(frame('"a"'), text("a"));
  expect(template.match(data)).toBeUndefined();
});

test.each([
  { name: "gave more than a text", data: frame('"a"'), events: [...text("a"), ...text("a")] },
  { name: "belongs to another choice", data: frame('"a"'), events: [{ type: "text-delta", choice: 1, text: "a" }] },
  { name: "names content twice", data: frame('"a","x":{"content":"a"}'), events: text("a") },
  { name: "escapes its text in another way", data: frame('"\\u0061"'), events: text("a") },
  { name: "is no text", data: frame('"a"'), events: [] },
] as const)("nothing is learned from a frame that $name", ({ data, events }) => {
  const template = createTextTemplate();
  template.learn(frame('"a"'), text("a"));
  template.learn(data, events);
  expect(template.match(frame('"b"'))).toBeUndefined();
});
