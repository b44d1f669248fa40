/** POST /embeddings, /rerank and /moderations: tasks that are no conversations, on the same spine. */
import type { Hono } from "hono";
import * as z from "zod";
import type { Dialect } from "../../dialects/dialect.ts";
import { embeddings, EmbeddingsBody } from "../../dialects/embeddings.ts";
import { moderations, ModerationsBody } from "../../dialects/moderations.ts";
import { rerank, RerankBody } from "../../dialects/rerank.ts";
import { answer } from "../answer.ts";
import { billable, billableHeaders } from "../billable.ts";
import type { AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";

const names = { id: z.string().describe("The generation's id"), model: z.string(), provider: z.string() };
const cost = z.number().describe("USD charged");

const EmbeddingsReply = z.looseObject({
  ...names,
  object: z.literal("list"),
  data: z.array(
    z.looseObject({
      object: z.literal("embedding"),
      index: z.int(),
      embedding: z.union([z.array(z.number()), z.string().describe("base64 of 32-bit floats, little end first")]),
    }),
  ),
  usage: z.looseObject({ prompt_tokens: z.int(), total_tokens: z.int(), cost }),
});

const RerankReply = z.looseObject({
  ...names,
  results: z.array(
    z.looseObject({ index: z.int(), relevance_score: z.number(), document: z.looseObject({}).optional() }),
  ),
  usage: z.looseObject({ search_units: z.int().optional(), total_tokens: z.int(), cost }),
});

const ModerationsReply = z.looseObject({
  ...names,
  results: z.array(z.looseObject({ flagged: z.boolean() })),
});

const common = { method: "post", auth: "inference", headers: billableHeaders } as const;

export const taskOperations: readonly Operation[] = [
  {
    ...common,
    id: "createEmbeddings",
    path: "/embeddings",
    summary: "Turn inputs into vectors",
    request: EmbeddingsBody,
    responses: { 200: { description: "One vector for each input, in order", body: EmbeddingsReply } },
  },
  {
    ...common,
    id: "rerank",
    path: "/rerank",
    summary: "Order documents by how well they answer a query",
    request: RerankBody,
    responses: { 200: { description: "The best documents first", body: RerankReply } },
  },
  {
    ...common,
    id: "createModeration",
    path: "/moderations",
    summary: "Judge whether inputs break a provider's rules",
    request: ModerationsBody,
    responses: { 200: { description: "One verdict for each input", body: ModerationsReply } },
  },
];

export function registerTasks(app: Hono<AppEnv>): void {
  const post = (path: string, dialect: Dialect): unknown =>
    app.post(
      path,
      billable((context, billed) => answer(dialect, context, billed)),
    );
  post("/embeddings", embeddings);
  post("/rerank", rerank);
  post("/moderations", moderations);
}
