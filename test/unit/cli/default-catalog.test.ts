/** Whose catalog is live after the default one was to be published. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { AdminApi } from "../../../src/cli/admin-api.ts";
import type { Memory } from "../../../src/cli/data-dir.ts";
import { publishDefault } from "../../../src/cli/default-catalog.ts";
import { err, ok } from "../../../src/core/result.ts";

/** A server that has the catalog of `live`; the version of a text is the text in capitals. */
function world(live: string | null, memory: Memory = {}) {
  const state = { live, memory, puts: 0 };
  const api: AdminApi = {
    async call(method, _path, body) {
      if (method === "PUT") {
        state.live = String(body).toUpperCase();
        state.puts++;
      }
      return state.live === null
        ? err("GET /admin/catalog was answered with 404: ")
        : ok({ data: { version: state.live } });
    },
  };
  const dataDir = { memory: () => state.memory, remember: (next: Memory) => void (state.memory = next) };
  const publish = (text: string, unknown: "keep" | "replace") => publishDefault(api, { text, dataDir, unknown });
  return { state, publish };
}

test.each(["keep", "replace"] as const)("the first one is published (%s), then a newer one, once", async (unknown) => {
  const { state, publish } = world(null);
  expect([await publish("first", unknown), state.live]).toEqual([ok(false), "FIRST"]);
  expect([await publish("first", unknown), state.live]).toEqual([ok(false), "FIRST"]);
  expect([await publish("second", unknown), state.live]).toEqual([ok(false), "SECOND"]);
});

test.each(["keep", "replace"] as const)(
  "the operator's own stays (%s), until the default is put back",
  async (unknown) => {
    const { state, publish } = world(null);
    await publish("first", unknown);
    state.live = "OWN";
    expect([await publish("first", unknown), state.live]).toEqual([ok(true), "OWN"]);
    expect([await publish("second", unknown), state.live]).toEqual([ok(true), "OWN"]);
    state.live = "FIRST";
    expect([await publish("second", unknown), state.live]).toEqual([ok(false), "SECOND"]);
  },
);

test("the same text is published anew when an earlier Waypost made less of it", async () => {
  const { state, publish } = world("FIRST");
  const hash = createHash("sha256").update("first").digest("hex");
  state.memory = { catalog: { hash, version: "FIRST" } };
  await publish("first", "replace");
  await publish("first", "replace");
  expect(state.puts).toBe(1);
});

test("from a folder that has never published, a deploy keeps what is live and a start replaces it", async () => {
  const deployed = world("OWN");
  expect([await deployed.publish("first", "keep"), deployed.state.live]).toEqual([ok(true), "OWN"]);
  const started = world("OWN");
  expect([await started.publish("first", "replace"), started.state.live]).toEqual([ok(false), "FIRST"]);
});

test.each([
  { name: "a refusal", unknown: "replace" },
  { name: "a server that cannot say what is live", unknown: "keep" },
] as const)("$name is passed on, and nothing is remembered", async ({ unknown }) => {
  const memory: { current: Memory } = { current: {} };
  const api: AdminApi = { call: () => Promise.resolve(err("it was answered with 503")) };
  const dataDir = { memory: () => memory.current, remember: (next: Memory) => void (memory.current = next) };
  expect(await publishDefault(api, { text: "first", dataDir, unknown })).toMatchObject({ ok: false });
  expect(memory.current).toEqual({});
});
