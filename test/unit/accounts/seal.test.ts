import { expect, test } from "vitest";
import { openCredential, sealCredential } from "../../../src/accounts/seal.ts";
import { systemRandomBytes } from "../../../src/core/system.ts";

const plain = "sk-live-ünïcode-credential";
const sealed = await sealCredential(plain, "mistral", "secret one", systemRandomBytes);

test("what was sealed opens again", async () => {
  expect(await openCredential(sealed, "mistral", ["secret one"])).toEqual({ ok: true, value: plain });
});

test("while the secret is rotated, the previous one opens it", async () => {
  expect(await openCredential(sealed, "mistral", ["secret two", "secret one"])).toEqual({ ok: true, value: plain });
});

test("sealing twice never gives the same text, and never shows the credential", async () => {
  const again = await sealCredential(plain, "mistral", "secret one", systemRandomBytes);
  expect(again).not.toBe(sealed);
  expect(atob(again.split(".")[2]?.replaceAll("-", "+").replaceAll("_", "/") ?? "")).not.toContain("sk-live");
});

test.each([
  { name: "another secret", text: sealed, context: "mistral", secrets: ["secret two"] },
  { name: "no secret at all", text: sealed, context: "mistral", secrets: [] },
  { name: "another provider's slug", text: sealed, context: "groq", secrets: ["secret one"] },
  { name: "a text that was cut", text: sealed.slice(0, -4), context: "mistral", secrets: ["secret one"] },
  { name: "a text that was never sealed", text: plain, context: "mistral", secrets: ["secret one"] },
])("$name doesn't open it, and the error doesn't tell it", async ({ text, context, secrets }) => {
  const opened = await openCredential(text, context, secrets);
  expect(opened.ok).toBe(false);
  expect(JSON.stringify(opened)).not.toContain("credential-");
  expect(JSON.stringify(opened)).not.toContain(plain);
});
