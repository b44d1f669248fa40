/** Presets, asked for so that the contract can judge every answer: made in three formats, read, listed, used, refused. */
import type { Tenant } from "../e2e/tenant.ts";
import { HELLO, MODEL } from "../e2e/upstream-aimock.ts";
import type { Asker } from "./openapi-asker.ts";

const HI = [{ role: "user", content: HELLO.prompt }];
const PRESET = "/presets/{slug}";

/** Asks everything about presets; each answer is judged by `ask`. */
export async function probePresets(ask: Asker, { key, managementKey }: Tenant): Promise<void> {
  const params = { slug: "probe", version: "1" };
  const bodies = {
    "chat/completions": { model: MODEL, temperature: 0.5, messages: [{ role: "system", content: "Be kind." }, ...HI] },
    messages: { model: MODEL, max_tokens: 64, system: "Be kind.", messages: HI },
    responses: { model: MODEL, instructions: "Be kind.", input: HELLO.prompt },
  };
  for (const [format, body] of Object.entries(bodies)) {
    const operation = `POST ${PRESET}/${format}`;
    await ask({ operation, name: "a body", key, params, body, status: 200 });
    await ask({ operation, name: "management key", key: managementKey, params, body, status: 200 });
    await ask({ operation, name: "wrong type", key, params, body: { ...body, temperature: "hot" }, status: 400 });
    await ask({ operation, name: "no slug", key, params: { slug: "a b" }, body, status: 400 });
    await ask({ operation, name: "no key", params, body, status: 401 });
  }
  await ask({ operation: "GET /presets", name: "all", key, status: 200 });
  await ask({ operation: "GET /presets", name: "a page", key, query: { offset: "1", limit: "1" }, status: 200 });
  await ask({ operation: "GET /presets", name: "bad limit", key, query: { limit: "0" }, status: 400 });
  await ask({ operation: "GET /presets", name: "no key", status: 401 });
  for (const path of [PRESET, `${PRESET}/versions`, `${PRESET}/versions/{version}`]) {
    const operation = `GET ${path}`;
    await ask({ operation, name: "one", key, params, status: 200 });
    await ask({ operation, name: "unknown", key, params: { ...params, slug: "nothing" }, status: 404 });
    await ask({ operation, name: "no key", params, status: 401 });
  }
  const badVersion = { ...params, version: "first" };
  await ask({ operation: `GET ${PRESET}/versions/{version}`, name: "no number", key, params: badVersion, status: 400 });
  for (const stream of [false, true]) {
    const used = { model: "@preset/probe", messages: HI, stream };
    await ask({ operation: "POST /chat/completions", name: "a preset", key, body: used, status: 200 });
  }
  const unknown = { model: "@preset/nothing", messages: HI };
  await ask({ operation: "POST /chat/completions", name: "unknown preset", key, body: unknown, status: 404 });
}
