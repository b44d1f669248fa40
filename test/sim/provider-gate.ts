/** The real ProviderGate outside workerd: its storage is a map, and nothing of it outlives the run. */
import { ProviderGate } from "../../src/gates/provider-gate.ts";
import type { OpenGate } from "./provider-world.ts";

/** Opens one whose operator has decided nothing. */
export const openProviderGate: OpenGate = (name, clock, siblings) => {
  const kept = new Map<string, unknown>([["settings", { isDisabled: false, credentialSealed: null }]]);
  const kv = {
    get: (key: string) => kept.get(key),
    put: (key: string, value: unknown) => void kept.set(key, value),
    delete: (key: string) => kept.delete(key),
    list: ({ prefix }: { readonly prefix: string }) => [...kept].filter(([key]) => key.startsWith(prefix)),
  };
  const state = {
    id: { name },
    storage: { kv },
    blockConcurrencyWhile: (work: () => Promise<unknown>) => work(),
    waitUntil: () => undefined,
  };
  // The class uses this much of the platform.
  const gate = new ProviderGate(
    state as unknown as DurableObjectState,
    { PROVIDER_GATE: { getByName: siblings } } as never,
  );
  gate.clock = clock;
  return gate;
};
