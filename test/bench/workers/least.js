/**
 * The least that a router which bills asks of the platform, without the router: no key, no plan, no price, no books. What
 * it loses against the pass-through is the limit for anything that does more.
 *   buffered: the body parsed and written anew both ways, the client's leaving heard, the upstream call abortable, one
 *             deadline, and work that goes on for 70 ms behind the answer (a settlement and its acknowledgement)
 *   streamed: the same, and the answer read by backlog and written on without looking into it
 * node test/bench/main.ts --only passthrough,custom --quick --custom-worker test/bench/workers/least.js
 */
const VIEW_BYTES = 16 * 1024;
const PAUSE_MS = 4;
const DEADLINE_MS = 900_000;
const SETTLED_MS = 70;

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export default {
  async fetch(request, env, context) {
    const asked = JSON.parse(await request.text());
    const controller = new AbortController();
    request.signal.addEventListener("abort", () => controller.abort(), { once: true });
    const deadline = setTimeout(() => controller.abort(), DEADLINE_MS);
    const upstream = await env.NETWORK.fetch(env.UPSTREAM + new URL(request.url).pathname, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer bench" },
      body: JSON.stringify(asked),
      signal: controller.signal,
    });
    const type = upstream.headers.get("content-type") ?? "";
    if (type.includes("event-stream")) {
      const { readable, writable } = new IdentityTransformStream();
      const pumped = pump(upstream.body, writable.getWriter()).then(() => {
        clearTimeout(deadline);
        return after(SETTLED_MS);
      });
      context.waitUntil(pumped);
      return new Response(readable, { headers: { "content-type": type } });
    }
    const answer = JSON.parse(await upstream.text());
    clearTimeout(deadline);
    context.waitUntil(after(SETTLED_MS));
    return new Response(JSON.stringify(answer), { headers: { "content-type": type } });
  },
};

/** As src/router/backlog.ts reads a fast body: its twin is drained natively, so that one read takes all that has come. */
async function pump(body, writer) {
  const [drained, kept] = body.tee();
  drain(drained).catch(() => {});
  const reader = kept.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(VIEW_BYTES);
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(buffer, 0, VIEW_BYTES));
    if (done || value === undefined) break;
    await writer.write(value.slice());
    buffer = value.buffer;
    await after(PAUSE_MS);
  }
  await writer.close();
}

async function drain(body) {
  const { readable, writable } = new IdentityTransformStream();
  body.pipeTo(writable).catch(() => {});
  const reader = readable.getReader({ mode: "byob" });
  let view = new Uint8Array(VIEW_BYTES);
  for (;;) {
    const { value, done } = await reader.readAtLeast(VIEW_BYTES, view);
    if (done || value === undefined) return;
    view = new Uint8Array(value.buffer, 0, VIEW_BYTES);
  }
}
