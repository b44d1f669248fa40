/**
 * What the tests of every client need: aimock as the providers, a real server in front of it, an account with credits,
 * and the record of a generation as soon as it is settled.
 */
import { expect } from "vitest";
import { serve, type Server } from "../serve.ts";
import { makeTenant, type Tenant } from "../tenant.ts";
import { type AimockUpstream, startAimockUpstream, USAGE } from "../upstream-aimock.ts";

/** Long enough for a drained upstream to end: SLOW takes about 2 s. */
const SETTLED_MS = 15_000;

/** The fields of `GET /generation` that the tests look at. */
export interface Generation {
  readonly id: string;
  readonly total_cost: number;
  readonly cancelled: boolean;
  readonly estimated: boolean;
  readonly streamed: boolean;
  readonly native_tokens_prompt: number;
  readonly native_tokens_completion: number;
}

export interface Stage {
  readonly upstream: AimockUpstream;
  readonly server: Server;
  readonly tenant: Tenant;
  /** The record of a generation; waits until it is settled. */
  generation(id: string): Promise<Generation>;
  /** What USAGE costs at the model's listed price, in USD. */
  listedCost(model: string): Promise<number>;
  close(): Promise<void>;
}

/** The one that the clients share, opened by who asks first. */
let shared: Promise<Stage> | null = null;

/** For the tests of one file: whoever closes it closes it for all. */
export function sharedStage(): Promise<Stage> {
  shared ??= openStage();
  return shared;
}

export async function openStage(): Promise<Stage> {
  const upstream = await startAimockUpstream();
  const server = await serve({ env: upstream.env });
  const tenant = await makeTenant(server, "10");
  const read = async (path: string): Promise<{ status: number; data: unknown }> => {
    const answer = await fetch(`${server.apiBase}${path}`, { headers: { Authorization: `Bearer ${tenant.key}` } });
    return { status: answer.status, data: ((await answer.json()) as { data?: unknown }).data };
  };
  return {
    upstream,
    server,
    tenant,
    async generation(id) {
      const path = `/generation?id=${encodeURIComponent(id)}`;
      await expect.poll(async () => (await read(path)).status, { timeout: SETTLED_MS }).toBe(200);
      // The contract script holds the shape of this answer against the published one.
      return (await read(path)).data as Generation;
    },
    async listedCost(model) {
      const { data } = await read(`/model/${model}`);
      const { pricing } = data as { pricing: { prompt: string; completion: string } };
      return Number(pricing.prompt) * USAGE.prompt + Number(pricing.completion) * USAGE.completion;
    },
    async close() {
      await server.stop();
      await upstream.stop();
    },
  };
}

/** A conversation of one sentence. */
export function say(content: string): { role: "user"; content: string }[] {
  return [{ role: "user", content }];
}
