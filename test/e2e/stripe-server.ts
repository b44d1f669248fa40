/** The double of Stripe as a server on loopback, and its deliveries to a running Waypost. */
import { createServer } from "node:http";
import { createStripeDouble, type StripeEvent } from "../stripe/double.ts";

export type StripeServer = Awaited<ReturnType<typeof startStripe>>;

/** Starts a double on a free port; `env` points a Waypost at it. */
export async function startStripe() {
  const apiKey = "sk_test_e2e";
  const webhookSecret = "whsec_e2e";
  const double = createStripeDouble({ apiKey, webhookSecret });
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const headers = Object.entries(incoming.headers).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      );
      const request = new Request(`http://stripe${incoming.url ?? "/"}`, {
        method: incoming.method ?? "GET",
        headers,
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      void double.handle(request).then(
        async (reply) => {
          outgoing.writeHead(reply.status, Object.fromEntries(reply.headers));
          outgoing.end(Buffer.from(await reply.arrayBuffer()));
        },
        () => incoming.socket.destroy(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The double has no port.");
  return {
    double,
    env: {
      STRIPE_API_KEY: apiKey,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      STRIPE_BASE_URL: `http://127.0.0.1:${address.port}`,
    },
    /** Delivers an event as Stripe does: until it is taken, at most `triesMax` times. @returns the last status, 0 for none. */
    async deliver(apiBase: string, event: StripeEvent, triesMax = 1): Promise<number> {
      const body = JSON.stringify(event);
      for (let at = 1; ; at++) {
        const signature = await double.sign(body);
        const status = await fetch(`${apiBase}/webhooks/stripe`, {
          method: "POST",
          headers: { "Content-Type": "application/json", "Stripe-Signature": signature },
          body,
        }).then(
          async (answer) => {
            await answer.text();
            return answer.status;
          },
          () => 0,
        );
        if (status === 200 || at >= triesMax) return status;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
