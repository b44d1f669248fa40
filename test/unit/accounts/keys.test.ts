import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { hashKey, importKeySecrets, issueKey, parseKey, verifyKey } from "../../../src/accounts/keys.ts";
import { newAccountId } from "../../../src/core/ids.ts";
import { systemRandomBytes } from "../../../src/core/system.ts";

const account = newAccountId("eu", 1, systemRandomBytes);
const secrets = await importKeySecrets("a secret of the tests");

test("a key names its account, is genuine, and hashes as SHA-256 of the whole text", async () => {
  const key = await issueKey(account, secrets, systemRandomBytes);
  expect(key.text).toMatch(/^sk-wp-eu1[0-9a-z]{13}-[0-9A-Za-z]{49}$/);
  expect(key.hash).toBe(createHash("sha256").update(key.text).digest("hex"));
  expect(key.label).toBe(`sk-wp-eu1...${key.text.slice(-3)}`);
  expect(await verifyKey(key.text, secrets)).toEqual({ ok: true, value: { account, hash: key.hash } });
  expect(await hashKey(key.text)).toBe(key.hash);
});

test("changing any one character makes a key a forgery", async () => {
  const { text } = await issueKey(account, secrets, systemRandomBytes);
  for (let at = 0; at < text.length; at++) {
    const forged = `${text.slice(0, at)}${text[at] === "1" ? "2" : "1"}${text.slice(at + 1)}`;
    const verified = await verifyKey(forged, secrets);
    expect(verified.ok, `character ${at}`).toBe(false);
  }
});

test("keys of the previous secret are good while it is named, and not after", async () => {
  const { text } = await issueKey(account, secrets, systemRandomBytes);
  const rotating = await importKeySecrets("the next secret", "a secret of the tests");
  const rotated = await importKeySecrets("the next secret", "");
  expect((await verifyKey(text, rotating)).ok).toBe(true);
  expect((await verifyKey(text, rotated)).ok).toBe(false);
  const fresh = await issueKey(account, rotating, systemRandomBytes);
  expect((await verifyKey(fresh.text, rotated)).ok).toBe(true);
});

test("two keys are never alike", async () => {
  const keys = await Promise.all(
    Array.from({ length: 20 }, async () => await issueKey(account, secrets, systemRandomBytes)),
  );
  expect(new Set(keys.map((key) => key.text)).size).toBe(20);
});

test.each([
  { name: "an empty text", text: "" },
  { name: "another vendor's key", text: `sk-or-v1-${"0".repeat(64)}` },
  { name: "a key without account", text: `sk-wp--${"a".repeat(49)}` },
  { name: "a key of an impossible home", text: `sk-wp-xx1aaaaaaaaaaaaa-${"a".repeat(49)}` },
  { name: "a key with something behind it", text: `sk-wp-eu1aaaaaaaaaaaaa-${"a".repeat(49)}\n` },
  { name: "a key that is too short", text: `sk-wp-eu1aaaaaaaaaaaaa-${"a".repeat(48)}` },
])("$name can't be a key", ({ text }) => {
  expect(parseKey(text)).toBeUndefined();
});
