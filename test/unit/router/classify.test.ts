import fc from "fast-check";
import { expect, test } from "vitest";
import { openAiChat } from "../../../src/dialects/openai-chat.ts";
import { classify, TASK_CLASSES } from "../../../src/router/classify.ts";

function requestOf(body: Record<string, unknown>) {
  const parsed = openAiChat.parse({ model: "waypost/auto", ...body });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.request;
}
const user = (content: unknown) => ({ role: "user", content });
const TOOL = { type: "function", function: { name: "look", parameters: { type: "object" } } };

test.each([
  { text: "Fix this:\n```py\nprint(1\n```", task: "code" },
  { text: "Write a Python function that reverses a list.", task: "code" },
  { text: "Why do I get TypeError: x is not a function in my React component?", task: "code" },
  { text: "Prove that there are infinitely many prime numbers.", task: "maths" },
  { text: "What is \\frac{1}{2} + \\int_0^1 x dx?", task: "maths" },
  { text: "Translate this contract into German: The tenant shall pay.", task: "translation" },
  { text: "Übersetze ins Englische: Guten Morgen", task: "translation" },
  { text: "请把这句话翻译成英文", task: "translation" },
  { text: "Summarize the following article about the stock market.", task: "summary" },
  { text: "Extract all names and dates and return JSON.", task: "extraction" },
  { text: "Explain how an enzyme folds a protein.", task: "science" },
  { text: "Is this clause of my lease agreement enforceable?", task: "legal" },
  { text: "Should my portfolio hold more bonds?", task: "finance" },
  { text: "What are the symptoms of diabetes?", task: "health" },
  { text: "Suggest a slogan and a tagline for my bakery.", task: "marketing" },
  { text: "Let's role-play: you are now a pirate.", task: "roleplay" },
  { text: "Write me a short poem about rain.", task: "writing" },
  { text: "How tall is the Eiffel tower?", task: "question" },
  { text: "Hi there!", task: "chat" },
  { text: "I was walking along the river yesterday. ".repeat(10), task: "general" },
])("$task: $text", ({ text, task }) => {
  const found = classify(requestOf({ messages: [user(text)] }), 100);
  expect(found.task).toBe(task);
  expect(found.signs.length).toBeGreaterThan(0);
  expect(found.needs).toEqual([]);
});

test("what a request needs is read from its parts and parameters", () => {
  const request = requestOf({
    messages: [
      user([
        { type: "text", text: "Look" },
        { type: "image_url", image_url: { url: "https://example.com/a.png" } },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } },
      ]),
    ],
    tools: [TOOL],
    response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } },
    reasoning: { effort: "high" },
  });
  const found = classify(request, 50_000);
  expect(found.task).toBe("agent");
  expect([...found.needs].toSorted()).toEqual(
    ["files", "long context", "reasoning", "structured output", "tools", "vision"].toSorted(),
  );
});

test("a conversation keeps the class of what it began with, and greetings do not count", () => {
  const turns = [user("Hello!"), { role: "assistant", content: "Hi" }, user("Write a Python function to sort.")];
  expect(classify(requestOf({ messages: turns }), 10).task).toBe("code");
  const more = [...turns, { role: "assistant", content: "Done" }, user("Now translate the comments into French.")];
  expect(classify(requestOf({ messages: more }), 10).task).toBe("code");
});

test("any text has a class, the same one again, and takes no time to speak of", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 500 }), fc.integer({ min: 1, max: 40 }), (piece, times) => {
      const request = requestOf({ messages: [user(`x${piece.repeat(times)}`)] });
      const found = classify(request, 10);
      expect(TASK_CLASSES).toContain(found.task);
      expect(classify(request, 10)).toEqual(found);
    }),
    { numRuns: 300 },
  );
});
