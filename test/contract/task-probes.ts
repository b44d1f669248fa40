/** Requests for vectors and ranking whose answers are held against the contract. */
import type { Tenant } from "../e2e/tenant.ts";
import type { Asker } from "./openapi-asker.ts";

const EMBEDDINGS = "POST /embeddings";
const RERANK = "POST /rerank";

/** Asks for tasks and their models; each answer is judged by `ask`. */
export async function probeTasks(ask: Asker, { key }: Tenant): Promise<void> {
  const model = "openai/text-embedding-3-small";
  for (const encoding_format of ["float", "base64"]) {
    const body = { model, input: ["one", "two"], encoding_format };
    await ask({ operation: EMBEDDINGS, name: `vectors as ${encoding_format}`, key, body, status: 200 });
  }
  await ask({ operation: EMBEDDINGS, name: "no input", key, body: { model }, status: 400 });
  await ask({ operation: EMBEDDINGS, name: "no key", body: { model, input: "a" }, status: 401 });
  const body = { model: "cohere/rerank-v3.5", query: "Which one?", documents: ["one", { text: "two" }], top_n: 1 };
  await ask({ operation: RERANK, name: "ranking", key, body, status: 200 });
  await ask({ operation: RERANK, name: "no documents", key, body: { ...body, documents: [] }, status: 400 });
  await ask({ operation: "GET /embeddings/models", name: "models of vectors", status: 200 });
}
