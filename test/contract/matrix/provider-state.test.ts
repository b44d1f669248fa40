/**
 * Every dialect against every family that signs its reasoning, with clients that keep nothing of an answer but each call's
 * id, name and arguments: what was signed goes back as it came, on the call it came with, and ids stay legal on both sides.
 */
import { describe, expect, test } from "vitest";
import { asAccountId, asKeyHash } from "../../../src/core/ids.ts";
import { ID_CHARS_MAX } from "../../../src/core/provider-state.ts";
import { createProviderStateClient } from "../../../src/gates/provider-state-client.ts";
import { ADAPTERS } from "../../../src/providers/registry.ts";
import { createCarrier } from "../../../src/router/carry-state.ts";
import { withRestoredState } from "../../../src/router/restore-state.ts";
import { ask, eventsOf, parsed, rendered, targetOf, type Cell } from "./cell.ts";
import { CLIENTS } from "./clients.ts";
import { anthropicWire } from "./wire-anthropic.ts";
import { bedrockWire } from "./wire-bedrock.ts";
import { geminiWire, vertexWire } from "./wire-gemini.ts";
import { openAiWire } from "./wire-openai.ts";
import { responsesWire } from "./wire-responses.ts";
import * as words from "./words.ts";
import type { Ask, Call, Sent, Wire } from "./words.ts";

const WIRES: readonly Wire[] = [openAiWire, responsesWire, anthropicWire, geminiWire, vertexWire, bedrockWire];
const ASKER = { account: asAccountId("gl10000000000abc"), keyHash: asKeyHash("a".repeat(64)) };
const SECRET = "a secret of sixteen";

/** All states here fit their ids: there is no gate to ask. */
const providerState = createProviderStateClient({
  clock: () => 0,
  random: (length) => new Uint8Array(length).fill(7),
  settings: { sealingSecret: SECRET, openingSecrets: [SECRET] },
  gate: () => {
    throw new Error("no gate is needed");
  },
});

const parts = (calls: readonly Call[]): readonly unknown[] =>
  calls.map(({ id, name, input }) => ({ functionCall: { id, name, args: input } }));

/** A turn as forgetful clients of each dialect send it. */
const BARE: Readonly<Record<string, (calls: readonly Call[]) => readonly unknown[]>> = {
  "openai-chat": (calls) => [
    {
      role: "assistant",
      content: null,
      tool_calls: calls.map(({ id, name, input }) => ({
        id,
        type: "function",
        function: { name, arguments: JSON.stringify(input) },
      })),
    },
  ],
  "openai-responses": (calls) =>
    calls.map(({ id, name, input }) => ({
      type: "function_call",
      call_id: id,
      name,
      arguments: JSON.stringify(input),
    })),
  "anthropic-messages": (calls) => calls.map(({ id, name, input }) => ({ type: "tool_use", id, name, input })),
  gemini: parts,
  "gemini-array": parts,
};

const cells = CLIENTS.filter(({ dialect }) => dialect.name !== "completions").flatMap((client) =>
  WIRES.flatMap((wire) => {
    const adapter = ADAPTERS.find(({ name }) => name === wire.adapter);
    if (adapter === undefined) return [];
    const cell: Cell = { client, wire, adapter, feature: "reasoning" };
    return [false, true].map((stream) => ({
      name: `${client.dialect.name} > ${adapter.name}, ${stream ? "streamed" : "whole"}`,
      cell,
      stream,
    }));
  }),
);

/** The request after an answer of which the client kept only `calls`, as it goes to another family or the same one. */
async function askAgain(cell: Cell, wanted: Ask): Promise<Sent> {
  const { request } = parsed(cell, wanted);
  const base = { models: ["a/b"], provider: null, sessionId: null, warnings: [] };
  const input = { asker: ASKER, parsed: { ...base, request }, returned: undefined };
  const restored = await withRestoredState(input, { providerState });
  const encoded = cell.adapter.encode(restored.parsed.request, targetOf(cell.wire));
  if (!encoded.ok) throw new Error(encoded.error);
  const { url, body, warnings } = encoded.value;
  return { url, body: JSON.parse(body) as unknown, warnings };
}

async function forgottenTurn({ cell, stream }: { readonly cell: Cell; readonly stream: boolean }): Promise<Ask> {
  const asked = ask(cell, { feature: "reasoning", stream });
  const events = eventsOf(cell, asked, { thought: true, calls: words.CALLS, end: "tools" }, stream);
  const carry = createCarrier(
    { account: ASKER.account, keepsNothing: false, takesPlain: false },
    { providerState, waitUntil: () => undefined },
  );
  const heard = rendered(cell.client, asked.echo, await carry(events), stream);
  expect(heard.calls).toHaveLength(2);
  for (const { id } of heard.calls) expect(id).toMatch(/^[a-zA-Z0-9_-]{1,1024}$/);
  expect(heard.calls[0]?.id).toMatch(/^call_1_wps1i_/);
  const turn = BARE[cell.client.dialect.name]?.(heard.calls);
  if (turn === undefined) throw new Error("no such client");
  return { feature: "reasoning", stream, heard: { ...heard, turn } };
}

describe("a client that drops everything but its calls", () => {
  test.each(cells)("$name: what was signed comes back", async (one) => {
    const { wire } = one.cell;
    const sent = await askAgain(one.cell, await forgottenTurn(one));
    const text = JSON.stringify(sent.body);
    expect(text.split(words.SIGNATURE).length - 1).toBe(1);
    // Thoughts that Gemini has not signed are for people.
    if (wire !== geminiWire && wire !== vertexWire) wire.echoesThought(sent);
    else expect(text).toMatch(new RegExp(`"functionCall":\\{[^}]*"Zürich"\\}\\},"thoughtSignature":"`));
    expect(text).not.toContain("_wps1");
    if (wire !== vertexWire) expect(text).toContain('"call_1"');
  });

  test.each(CLIENTS.filter(({ dialect }) => BARE[dialect.name] !== undefined))(
    "$dialect.name takes the longest id that is given out, and none beyond",
    (client) => {
      const bodyOf = (length: number): unknown => {
        const calls = [{ ...words.CALLS[0], id: "c".repeat(length) }];
        const heard = { text: "", thought: "", refusal: "", end: "tools", tokens: null, error: null } as const;
        const turn = BARE[client.dialect.name]?.(calls) ?? [];
        return client.body({ feature: "tool result", stream: false, heard: { ...heard, calls, turn } });
      };
      expect(client.dialect.parse(bodyOf(ID_CHARS_MAX), client.beside(false)).ok).toBe(true);
      expect(client.dialect.parse(bodyOf(ID_CHARS_MAX + 1), client.beside(false)).ok).toBe(false);
    },
  );

  test.each(cells)("$name: what was signed stays behind on a switch", async (one) => {
    const again = await forgottenTurn(one);
    for (const wire of WIRES) {
      const adapter = ADAPTERS.find(({ name }) => name === wire.adapter);
      if (adapter === undefined || wire.signs === one.cell.wire.signs) continue;
      const { body, warnings } = await askAgain({ ...one.cell, wire, adapter }, again);
      const text = JSON.stringify(body);
      expect(text).not.toContain(words.SIGNATURE);
      expect(text).not.toContain("_wps1");
      expect(warnings.join(" ")).toMatch(/reasoning/i);
    }
  });
});
