/** Copies of presets in an isolate: when the gate is asked, what is waited for, and that memory is bounded. */
import { expect, test } from "vitest";
import type { RouterError } from "../../../src/core/error.ts";
import { asAccountId, asPresetId } from "../../../src/core/ids.ts";
import { err, ok, type Result } from "../../../src/core/result.ts";
import type { PresetAnswer, PresetCommand } from "../../../src/gates/account-presets-contract.ts";
import { createPresetClient, PRESET_LIFE_MS, type PresetUse } from "../../../src/gates/presets-client.ts";

const OWNER = asAccountId("gl1000000000000a");
const STRANGER = asAccountId("gl1000000000000b");

function world() {
  let nowMs = 1_000_000;
  const asked: string[] = [];
  const behind: Promise<unknown>[] = [];
  /** What the owner's gate says; null: it cannot be reached. */
  const gate = { version: 1 as number | null, model: "a/b", systemPrompt: null as string | null, isThere: true };
  const answerOf = (command: PresetCommand): Result<PresetAnswer, RouterError> => {
    if (command.kind !== "use") throw new Error("another command");
    if (gate.version === null) return err({ kind: "not_found", message: `There is no preset "${command.slug}".` });
    const versionId = asPresetId(`${command.slug} ${gate.version}`);
    if (command.known === versionId) return ok({ kind: "same" });
    const id = asPresetId(command.slug);
    const times = { createdAtMs: 1, updatedAtMs: 1 };
    const config = JSON.stringify({ model: gate.model });
    return ok({
      kind: "preset",
      preset: { id, slug: command.slug, versionId, ...times },
      version: {
        id: versionId,
        presetId: id,
        version: gate.version,
        systemPrompt: gate.systemPrompt,
        config,
        createdAtMs: 1,
      },
    });
  };
  const client = createPresetClient({
    clock: () => nowMs,
    gate: (account) => ({
      async presets(command) {
        const known = command.kind === "use" && command.known !== null ? " known" : "";
        asked.push(`${account === OWNER ? "owner" : "stranger"}${known}`);
        if (!gate.isThere) throw new Error("the gate is gone");
        if (account !== OWNER) return err({ kind: "not_found", message: "There is no preset." });
        return await Promise.resolve(answerOf(command));
      },
    }),
  });
  return {
    gate,
    asked,
    client,
    behind,
    later: (ms: number) => void (nowMs += ms),
    use: (account = OWNER, slug = "p") => client.use(account, slug, (work) => void behind.push(work)),
  };
}

const modelOf = (use: PresetUse): unknown => (use.ok ? use.value.body.models[0] : use.error.kind);

test("a preset is asked for once, and then found at once", async () => {
  const { use, asked, later } = world();
  const first = use();
  expect(first).toBeInstanceOf(Promise);
  expect(modelOf(await first)).toBe("a/b");
  later(4_999);
  const second = use();
  expect(second).not.toBeInstanceOf(Promise);
  expect(modelOf(await second)).toBe("a/b");
  expect(asked).toEqual(["owner"]);
});

test("a preset in use is never waited for: the gate is asked behind the answer, by one request", async () => {
  const { use, asked, later, behind, gate } = world();
  await use();
  for (let at = 0; at < 20; at++) {
    later(1_000);
    expect(use()).not.toBeInstanceOf(Promise);
    expect(use()).not.toBeInstanceOf(Promise);
    await Promise.all(behind.splice(0));
  }
  expect(asked).toEqual(["owner", "owner known", "owner known", "owner known", "owner known"]);
  gate.version = 2;
  gate.model = "c/d";
  later(5_000);
  expect(modelOf(await use())).toBe("a/b");
  await Promise.all(behind);
  expect(modelOf(await use())).toBe("c/d");
});

test("a new version counts within ten seconds of its writing, whatever the gate did not answer", async () => {
  const { use, later, gate, behind } = world();
  await use();
  gate.version = 2;
  gate.model = "c/d";
  gate.isThere = false;
  later(6_000);
  expect(modelOf(await use())).toBe("a/b");
  await Promise.all(behind);
  later(PRESET_LIFE_MS - 6_000);
  expect(modelOf(await use())).toBe("storage");
  gate.isThere = true;
  expect(modelOf(await use())).toBe("c/d");
});

test("a preset that is not there is asked for again after two seconds, and at once where it was made", async () => {
  const { use, later, gate, asked, client } = world();
  gate.version = null;
  expect(modelOf(await use())).toBe("not_found");
  later(1_999);
  expect(use()).not.toBeInstanceOf(Promise);
  expect(asked).toHaveLength(1);
  gate.version = 1;
  later(1);
  expect(modelOf(await use())).toBe("a/b");
  gate.version = null;
  client.forget(OWNER, "p");
  expect(modelOf(await use())).toBe("not_found");
  gate.version = 1;
  client.forget(OWNER, "p");
  expect(modelOf(await use())).toBe("a/b");
});

test("no account finds another's copy", async () => {
  const { use, asked } = world();
  await use();
  expect(modelOf(await use(STRANGER))).toBe("not_found");
  expect(asked).toEqual(["owner", "stranger"]);
});

test("copies are at most a thousand: the oldest leave first", async () => {
  const { use } = world();
  for (let at = 0; at < 1_001; at++) await use(OWNER, `p${at}`);
  expect(use(OWNER, "p1000")).not.toBeInstanceOf(Promise);
  expect(use(OWNER, "p1")).not.toBeInstanceOf(Promise);
  expect(use(OWNER, "p0")).toBeInstanceOf(Promise);
});

test("copies have at most eight million characters: the oldest leave first", async () => {
  const { use, gate } = world();
  gate.systemPrompt = "x".repeat(1024 * 1024 - 100);
  for (let at = 0; at < 9; at++) await use(OWNER, `p${at}`);
  expect(use(OWNER, "p8")).not.toBeInstanceOf(Promise);
  expect(use(OWNER, "p1")).not.toBeInstanceOf(Promise);
  expect(use(OWNER, "p0")).toBeInstanceOf(Promise);
});

test("a preset that can't be read any more is an error that says why, and is not asked for each time", async () => {
  const { use, asked, gate } = world();
  gate.model = "x".repeat(300);
  expect(await use()).toMatchObject({ error: { kind: "bad_request", path: "model" } });
  expect(use()).not.toBeInstanceOf(Promise);
  expect(asked).toHaveLength(1);
});
