/**
 * A miniflare plugin that opens Waypost's own listening socket, straight to the worker.
 * Miniflare's entry socket passes each request through a worker of its own first, which costs more than all of ours;
 * its direct sockets let any client forge `request.cf` (header MF-CF-Blob) and open a Cap'n Proto session on the worker.
 * This socket does neither: `request.cf` is absent, or comes from `cfBlobHeader` when the operator trusts it.
 * Loaded by miniflare by path, through an `unsafe` binding that no worker sees.
 */
import type { Plugin } from "miniflare";

/** Name of the socket, of the binding that carries its options, and of the plugin. */
export const FRONT = "waypost-front";

interface FrontOptions {
  readonly address: string;
  readonly workerName: string;
  readonly cfBlobHeader: string | null;
}

/** Reads the options that the launcher put into the worker's environment. */
function optionsOf(env: unknown): FrontOptions | undefined {
  // Miniflare hands the worker's parsed configuration over untyped; `runtime.ts` wrote this entry.
  const bindings = env as Record<string, { dev?: { options?: FrontOptions } }> | undefined;
  return bindings?.[FRONT]?.dev?.options;
}

export const plugins: Record<string, Plugin> = {
  [FRONT]: {
    getBindings: () => [],
    getNodeBindings: () => ({}),
    getServices({ options }) {
      const front = optionsOf(options.config.env);
      if (front === undefined) return undefined;
      const { address, workerName, cfBlobHeader } = front;
      return {
        services: [],
        extensions: [],
        sockets: [
          {
            name: FRONT,
            address,
            service: { name: `core:user:${workerName}` },
            http: cfBlobHeader === null ? {} : { cfBlobHeader },
          },
        ],
      };
    },
  },
};
