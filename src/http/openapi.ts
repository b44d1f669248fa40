/**
 * The OpenAPI 3.1 document of what exists, made of the operations that the route files describe beside their code.
 * A new route is one line in OPERATIONS. Pure; schemas are turned into JSON Schema as a client sends or gets them.
 */
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import type { Operation, OperationAuth } from "./operation.ts";
import { accountLimitsOperations } from "./routes/account-limits.ts";
import {
  createAccountOperation,
  listAccountsOperation,
  readAccountOperation,
  updateAccountOperation,
} from "./routes/admin-accounts.ts";
import { auditOperation } from "./routes/admin-audit.ts";
import { publishCatalogOperation, readCatalogOperation } from "./routes/admin-catalog.ts";
import { grantCreditOperation } from "./routes/admin-credits.ts";
import { listAdminProvidersOperation, updateProviderOperation } from "./routes/admin-providers.ts";
import { voucherOperations } from "./routes/admin-vouchers.ts";
import { autoTopUpOperations } from "./routes/auto-top-up.ts";
import { budgetOperations } from "./routes/budgets.ts";
import { readReconciliationOperation } from "./routes/admin-reconciliation.ts";
import { chatCompletionsOperation } from "./routes/chat-completions.ts";
import { completionsOperation } from "./routes/completions.ts";
import { countModelsOperation } from "./routes/count-models.ts";
import { createByokOperation } from "./routes/create-byok.ts";
import { createCheckoutOperation } from "./routes/create-checkout.ts";
import { createKeyOperation } from "./routes/create-key.ts";
import { deleteByokOperation } from "./routes/delete-byok.ts";
import { deleteKeyOperation } from "./routes/delete-key.ts";
import { geminiOperation } from "./routes/gemini-generate.ts";
import { listByokOperation } from "./routes/list-byok.ts";
import { listKeysOperation } from "./routes/list-keys.ts";
import { listModelEndpointsOperation } from "./routes/list-model-endpoints.ts";
import { listEmbeddingModelsOperation, listModelsOperation, listUserModelsOperation } from "./routes/list-models.ts";
import { listProvidersOperation } from "./routes/list-providers.ts";
import { listZdrEndpointsOperation } from "./routes/list-zdr-endpoints.ts";
import { messagesOperations } from "./routes/messages.ts";
import { presetOperations } from "./routes/presets.ts";
import { purchaseOperations } from "./routes/purchases.ts";
import { readByokOperation } from "./routes/read-byok.ts";
import { readCreditsOperation } from "./routes/read-credits.ts";
import { readGenerationOperation } from "./routes/read-generation.ts";
import { readKeyOperation } from "./routes/read-key.ts";
import { readModelOperation } from "./routes/read-model.ts";
import { readOwnKeyOperations } from "./routes/read-own-key.ts";
import { redeemVoucherOperation } from "./routes/redeem-voucher.ts";
import { readCatalogRefreshOperation } from "./routes/catalog-refresh.ts";
import { responsesOperation } from "./routes/responses.ts";
import { rollbackCatalogOperation } from "./routes/rollback-catalog.ts";
import { rotateKeyOperation } from "./routes/rotate-key.ts";
import { stripeWebhookOperation } from "./routes/stripe-webhook.ts";
import { taskOperations } from "./routes/tasks.ts";
import { updateByokOperation } from "./routes/update-byok.ts";
import { readAccountStatementOperation, readStatementOperation } from "./routes/statement.ts";
import { updateKeyOperation } from "./routes/update-key.ts";
import { writePresetOperations } from "./routes/write-preset.ts";

/** The document itself; here rather than beside its route, because the route imports this file. */
const readOpenApi: Operation = {
  id: "readOpenApi",
  method: "get",
  path: "/openapi.json",
  summary: "This document",
  auth: "public",
  responses: { 200: { description: "An OpenAPI 3.1 document", body: z.looseObject({ openapi: z.literal("3.1.0") }) } },
};

/** Every operation, in the order of the document. */
export const OPERATIONS: readonly Operation[] = [
  chatCompletionsOperation,
  completionsOperation,
  ...taskOperations,
  geminiOperation,
  responsesOperation,
  ...messagesOperations,
  listModelsOperation,
  listUserModelsOperation,
  listEmbeddingModelsOperation,
  countModelsOperation,
  readModelOperation,
  listModelEndpointsOperation,
  listZdrEndpointsOperation,
  listProvidersOperation,
  ...readOwnKeyOperations,
  readCreditsOperation,
  readStatementOperation,
  createCheckoutOperation,
  ...purchaseOperations,
  ...autoTopUpOperations,
  redeemVoucherOperation,
  stripeWebhookOperation,
  readGenerationOperation,
  listKeysOperation,
  createKeyOperation,
  readKeyOperation,
  updateKeyOperation,
  deleteKeyOperation,
  rotateKeyOperation,
  listByokOperation,
  createByokOperation,
  readByokOperation,
  updateByokOperation,
  deleteByokOperation,
  ...presetOperations,
  ...writePresetOperations,
  ...accountLimitsOperations,
  ...budgetOperations,
  createAccountOperation,
  listAccountsOperation,
  readAccountOperation,
  updateAccountOperation,
  grantCreditOperation,
  readAccountStatementOperation,
  publishCatalogOperation,
  readCatalogOperation,
  rollbackCatalogOperation,
  readCatalogRefreshOperation,
  listAdminProvidersOperation,
  updateProviderOperation,
  auditOperation,
  ...voucherOperations,
  readReconciliationOperation,
  readOpenApi,
];

const ErrorBody = z.looseObject({
  error: z.looseObject({
    code: z.int().describe("The HTTP status"),
    message: z.string(),
    metadata: z.looseObject({ error_type: z.string() }).optional(),
  }),
});

const MANAGEMENT: ReadonlySet<OperationAuth> = new Set(["management", "operator"]);

/** The document without its servers, which only a request knows. Takes milliseconds: make it once. */
export function openApiDocument(operations: readonly Operation[]): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Waypost",
      version: "1",
      description: "An edge router for AI models: one OpenAI-compatible API, one balance, every model.",
    },
    security: [{ apiKey: [] }],
    paths,
    components: {
      schemas: { Error: jsonSchema(ErrorBody, "output") },
      responses: {
        Error: {
          description: "The request failed; `error.code` is the status",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "An API key of an account" },
        operatorKey: { type: "http", scheme: "bearer", description: "The operator's key of this deployment" },
      },
    },
  };
}

function operationObject(operation: Operation): JsonObject {
  const responses: Record<string, JsonObject> = {};
  for (const [status, { description, body }] of Object.entries(operation.responses)) {
    responses[status] = {
      description,
      ...(body === null ? {} : { content: { "application/json": { schema: jsonSchema(body, "output") } } }),
    };
  }
  responses["default"] = { $ref: "#/components/responses/Error" };
  const { query, headers } = operation;
  const parameters = [
    ...pathParameters(operation),
    ...namedParameters("query", query),
    ...namedParameters("header", headers),
  ];
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(MANAGEMENT.has(operation.auth) ? { description: WHO[operation.auth] } : {}),
    security: SECURITY[operation.auth],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(operation.request === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: jsonSchema(operation.request, "input") } },
          },
        }),
    responses,
  };
}

const WHO: Readonly<Record<OperationAuth, string>> = {
  public: "",
  optional: "",
  any: "",
  inference: "",
  management: "Needs a management key.",
  operator: "Needs the operator key.",
};

const SECURITY: Readonly<Record<OperationAuth, readonly JsonObject[]>> = {
  public: [],
  optional: [{}, { apiKey: [] }],
  any: [{ apiKey: [] }],
  inference: [{ apiKey: [] }],
  management: [{ apiKey: [] }],
  operator: [{ operatorKey: [] }],
};

function pathParameters({ path, pathParts }: Operation): readonly JsonObject[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    ...(pathParts?.[name] === undefined ? {} : { description: pathParts[name] }),
    schema: { type: "string" },
  }));
}

function namedParameters(place: "query" | "header", parameters: z.ZodObject | undefined): readonly JsonObject[] {
  return Object.entries(parameters?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = jsonSchema(schema, "input");
    return {
      name,
      in: place,
      required: !z.safeParse(schema, undefined).success,
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

/** Schemas written for parsing may hold what JSON Schema can't say; that part becomes "anything". */
function jsonSchema(schema: z.core.$ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    cycles: "ref",
    reused: "inline",
  });
  // What zod makes is JSON by construction, typed more loosely.
  return rest as JsonObject;
}
