import { expect, test } from "vitest";
import { routerNameOf } from "../../../src/catalog/router-names.ts";

test.each([
  { requested: "waypost/auto", want: { kind: "auto", name: "waypost/auto" } },
  { requested: "openrouter/auto", want: { kind: "auto", name: "waypost/auto" } },
  { requested: "waypost/free", want: { kind: "free", name: "waypost/free" } },
  { requested: " OpenRouter/Free ", want: { kind: "free", name: "waypost/free" } },
  { requested: "waypost/auto:floor", want: { kind: "auto", name: "waypost/auto", sort: "price" } },
  { requested: "waypost/free:nitro", want: { kind: "free", sort: "throughput" } },
])("$requested is a router", ({ requested, want }) => {
  expect(routerNameOf(requested)).toMatchObject(want);
});

test.each([
  "waypost/auto:free",
  "waypost/auto:thinking",
  "waypost/auto:odd",
  "waypost/other",
  "openai/auto",
  "auto",
  "",
])("%j is none", (requested) => {
  expect(routerNameOf(requested)).toBeNull();
});
