/** The launcher's variables, as values and as sentences. */
import { expect, test } from "vitest";
import { demoBindings, readBindings, withCredential } from "../../../src/cli/bindings.ts";
import { readStartOptions } from "../../../src/cli/options.ts";

const providers = [
  { slug: "acme" as never, base_url: "https://api.acme.test/v2" },
  { slug: "two-words.io" as never, base_url: "https://two.test/v1beta" },
];

test("nothing set means loopback, 8787 and secrets of its own", () => {
  const options = readStartOptions({});
  expect(options).toMatchObject({
    ok: true,
    value: {
      host: "127.0.0.1",
      port: 8787,
      operatorKey: null,
      secret: null,
      trustsPlaceHeader: false,
      printsLog: false,
      bundlePath: null,
      shards: [],
      newAccounts: null,
      scheduleS: 300,
    },
  });
});

test("further databases are named in one variable", () => {
  expect(readStartOptions({ SHARDS: " gl2, eu1 ", NEW_ACCOUNTS: "gl1 eu1" })).toMatchObject({
    ok: true,
    value: { shards: ["gl2", "eu1"], newAccounts: "gl1 eu1" },
  });
});

test.each([
  { name: "a negative port", env: { PORT: "-1" }, says: "PORT" },
  { name: "a port with a space", env: { PORT: "80 80" }, says: "PORT" },
  { name: "a port beyond 65535", env: { PORT: "70000" }, says: "PORT" },
  { name: "a host with a slash", env: { HOST: "a/b" }, says: "HOST" },
  { name: "a short operator key", env: { OPERATOR_KEY: "x".repeat(15) }, says: "OPERATOR_KEY" },
  { name: "a secret beyond ASCII", env: { WAYPOST_SECRET: "é".repeat(20) }, says: "WAYPOST_SECRET" },
  { name: "a short previous secret", env: { WAYPOST_SECRET_PREVIOUS: "short" }, says: "WAYPOST_SECRET_PREVIOUS" },
  { name: "a BYOK fee above all of it", env: { WAYPOST_BYOK_FEE_BPS: "10001" }, says: "WAYPOST_BYOK_FEE_BPS" },
  { name: "a negative BYOK fee", env: { WAYPOST_BYOK_FEE_BPS: "-1" }, says: "WAYPOST_BYOK_FEE_BPS" },
  {
    name: "a BYOK allowance with cents",
    env: { WAYPOST_BYOK_FREE_USD_MONTHLY: "10.50" },
    says: "WAYPOST_BYOK_FREE_USD_MONTHLY",
  },
  { name: "payments without a key", env: { STRIPE_WEBHOOK_SECRET: "whsec_1" }, says: "STRIPE_API_KEY" },
  { name: "a fee in words", env: { WAYPOST_PURCHASE_FEE_BPS: "5.5%" }, says: "WAYPOST_PURCHASE_FEE_BPS" },
  { name: "a deadline in words", env: { WAYPOST_DEADLINE_IDLE_MS: "60s" }, says: "WAYPOST_DEADLINE_IDLE_MS" },
  { name: "a deadline of nothing", env: { WAYPOST_DEADLINE_TOTAL_MS: "0" }, says: "WAYPOST_DEADLINE_TOTAL_MS" },
  { name: "the first database as a further one", env: { SHARDS: "gl1" }, says: "SHARDS" },
  { name: "a database twice", env: { SHARDS: "gl2 gl2" }, says: "SHARDS" },
  { name: "a database that is none", env: { SHARDS: "2" }, says: "SHARDS" },
  { name: "new accounts where nothing is", env: { SHARDS: "gl2", NEW_ACCOUNTS: "gl3" }, says: "NEW_ACCOUNTS" },
  { name: "a schedule in minutes", env: { WAYPOST_SCHEDULE_S: "5m" }, says: "WAYPOST_SCHEDULE_S" },
  { name: "a walk without a pause", env: { WAYPOST_RECONCILE_EVERY_S: "0" }, says: "WAYPOST_RECONCILE_EVERY_S" },
  { name: "a refresh without a pause", env: { WAYPOST_CATALOG_EVERY_S: "0" }, says: "WAYPOST_CATALOG_EVERY_S" },
  { name: "a list by http", env: { WAYPOST_CATALOG_URL: "http://a.example.com/x" }, says: "WAYPOST_CATALOG_URL" },
  { name: "a list inside", env: { WAYPOST_CATALOG_URL: "https://[::1]/api.json" }, says: "WAYPOST_CATALOG_URL" },
  {
    name: "an opt-in that is neither on nor off",
    env: { WAYPOST_PRIVATE_UPSTREAMS: "yes" },
    says: "WAYPOST_PRIVATE_UPSTREAMS",
  },
  { name: "a switch that is neither on nor off", env: { WAYPOST_LOG: "true" }, says: "WAYPOST_LOG" },
])("$name is refused by name", ({ env, says }) => {
  const options = readStartOptions(env);
  expect(options).toEqual({ ok: false, error: expect.stringMatching(new RegExp(`^${says} must .*\\.$`)) });
});

test("a deadline that does not exist is refused, and the known ones are named", () => {
  expect(readStartOptions({ WAYPOST_DEADLINE_HEADER_MS: "5000" })).toEqual({
    ok: false,
    error: expect.stringMatching(/^WAYPOST_DEADLINE_HEADER_MS is not a deadline; .*WAYPOST_DEADLINE_HEADERS_MS/),
  });
  expect(readStartOptions({ WAYPOST_DEADLINE_HEADERS_MS: "5000" }).ok).toBe(true);
});

test("a secret's value is never repeated", () => {
  const options = readStartOptions({ OPERATOR_KEY: "tooshortsecret" });
  expect(JSON.stringify(options)).not.toContain("tooshortsecret");
});

test("16 characters are an operator key", () => {
  expect(readStartOptions({ OPERATOR_KEY: "x".repeat(16) }).ok).toBe(true);
});

test("the worker gets credentials, base URLs and settings, and nothing else", () => {
  const env = {
    ACME_API_KEY: "k",
    OTHER_BASE_URL: "http://127.0.0.1:1/v1",
    WAYPOST_SECRET_PREVIOUS: "old",
    WAYPOST_SECRET: "own",
    WAYPOST_LOG: "1",
    PATH: "/bin",
    HOME: "/root",
  };
  expect(readBindings(env, providers)).toEqual({
    ok: true,
    value: { ACME_API_KEY: "k", OTHER_BASE_URL: "http://127.0.0.1:1/v1", WAYPOST_SECRET_PREVIOUS: "old" },
  });
});

test.each([
  { name: "no URL", value: "localhost:1", says: "must be an http or https URL" },
  { name: "another protocol", value: "ftp://host/v1", says: "must be an http or https URL" },
  { name: "a password in it", value: "http://a:b@host/v1", says: "must not carry" },
  { name: "a query", value: "http://host/v1?x=1", says: "must end with its path" },
])("a known provider's base URL with $name is refused", ({ value, says }) => {
  expect(readBindings({ TWO_WORDS_IO_BASE_URL: value }, providers)).toEqual({
    ok: false,
    error: expect.stringContaining(says),
  });
});

test("a malformed variable of other software is left out, not refused", () => {
  expect(readBindings({ VITE_BASE_URL: "/" }, providers)).toEqual({ ok: true, value: {} });
});

test("a provider is configured by its credential, not by its base URL", () => {
  expect(withCredential({ ACME_BASE_URL: "http://h/v1" }, providers)).toEqual([]);
  expect(withCredential({ TWO_WORDS_IO_API_KEY: "k" }, providers)).toEqual([providers[1]]);
});

test("the demo stands in for every provider, except where a base URL is set", () => {
  expect(demoBindings("http://127.0.0.1:9", { ACME_BASE_URL: "http://own/v1" }, providers)).toEqual({
    ACME_API_KEY: "demo",
    ACME_BASE_URL: "http://own/v1",
    TWO_WORDS_IO_API_KEY: "demo",
    TWO_WORDS_IO_BASE_URL: "http://127.0.0.1:9/v1beta",
  });
});
