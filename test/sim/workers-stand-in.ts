/** What `cloudflare:workers` is outside workerd: the base class that a Durable Object extends, and nothing else. */
export class DurableObject {
  readonly ctx: unknown;
  readonly env: unknown;

  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}
