/** The providers of the default catalog name adapters that exist and quirks that those can read. */
import { expect, test } from "vitest";
import { AUTHOR_PROVIDERS } from "../../../src/catalog/overlay/authors.ts";
import { HOST_PROVIDERS } from "../../../src/catalog/overlay/hosts.ts";
import { asProviderId } from "../../../src/core/ids.ts";
import { adapterNamed } from "../../../src/providers/registry.ts";
import { HELLO } from "./cases.ts";

/** A credential with as many parts as the provider's addresses have places. */
function credentialFor({ credential_parts: parts }: Readonly<Record<string, unknown>>): string {
  return [...(Array.isArray(parts) ? parts.map(() => "part") : []), "test-credential-0123456789"].join(":");
}

const providers = [...AUTHOR_PROVIDERS, ...HOST_PROVIDERS].map(({ provider }) => provider);

test.each(providers)("$slug can be asked with its adapter and its quirks", ({ slug, adapter, quirks, base_url }) => {
  const encoded = adapterNamed(adapter)?.encode(
    { ...HELLO, stream: true },
    {
      provider: asProviderId(slug),
      upstreamModel: "maker/model",
      baseUrl: base_url,
      credential: credentialFor(quirks ?? {}),
      supportedParameters: [],
      maxCompletionTokens: null,
      quirks: quirks ?? {},
      userHash: null,
    },
  );
  expect(encoded).toMatchObject({ ok: true, value: { warnings: [] } });
});
