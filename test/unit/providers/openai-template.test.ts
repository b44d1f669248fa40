import fc from "fast-check";
import { expect, test } from "vitest";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { createTextTemplate } from "../../../src/providers/openai-template.ts";

const frame = (content: string, tail = '"finish_reason":null'): string =>
  `{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":${content}},${tail}}]}`;
const text = (value: string): GenerationEvent[] => [{ type: "text-delta", choice: 0, text: value }];
const gathered = (pieces: readonly string[]): GenerationEvent[] =>
  pieces.length < 2 ? pieces.flatMap(text) : [{ type: "text-delta", choice: 0, text: pieces.join(""), pieces }];

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
  { name: "came in several lines", data: `{\n${frame('"a"').slice(1)}`, events: text("a") },
] as const)("nothing is learned from a frame that $name", ({ data, events }) => {
  const template = createTextTemplate();
  template.learn(frame('"a"'), text("a"));
  template.learn(data, events);
  expect(template.match(frame('"b"'))).toBeUndefined();
});

test.each([
  { name: "to the end", stream: ['"b"', '"c"'], taken: ["b", "c"] },
  { name: "to the first escaped character", stream: ['"b"', '"\\n"', '"c"'], taken: ["b"] },
  { name: "to an escaped quote", stream: ['"b"', '"c"', '"\\""', '"d"'], taken: ["b", "c"] },
  { name: "to what no JSON string holds", stream: ['"b"', '"c"', '"\u0001"', '"d"'], taken: ["b", "c"] },
  { name: "to an empty text", stream: ['"b"', '""', '"c"'], taken: ["b"] },
  { name: "to what is no text", stream: ['"b"', "null"], taken: ["b"] },
  { name: "not at all", stream: ["null", '"b"'], taken: [] },
])("a run of frames is taken $name", ({ stream, taken }) => {
  const template = createTextTemplate();
  template.learn(frame('"a"'), text("a"));
  const frames = stream.map((content) => `data: ${frame(content)}\n\n`);
  const out: GenerationEvent[] = [];
  const to = template.run(`: hi\n\n${frames.join("")}`, 6, out);
  expect(out).toEqual(gathered(taken));
  expect(to).toBe(6 + frames.slice(0, taken.length).join("").length);
});

test("a frame that is not there whole is not taken, nor is any before one was learned", () => {
  const template = createTextTemplate();
  const whole = `data: ${frame('"b"')}\n\n`;
  expect(template.run(whole, 0, [])).toBe(0);
  template.learn(frame('"a"'), text("a"));
  for (let at = 0; at < whole.length; at++) {
    const out: GenerationEvent[] = [];
    expect([template.run(whole.slice(0, at), 0, out), out]).toEqual([0, []]);
  }
});
