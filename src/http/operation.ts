/**
 * One operation of the API as its own file describes it: route, who may call it, what goes in and what comes out.
 * `openapi.ts` lists the operations and makes the document of them; a test holds the list against the router's routes.
 */
import type * as z from "zod";

export type OperationMethod = "get" | "post" | "put" | "patch" | "delete";

/** `public`: no key; `optional`: a key shows more; `inference` and `management`: a key of that kind (`any`: either). */
export type OperationAuth = "public" | "optional" | "any" | "inference" | "management" | "operator";

export interface OperationResponse {
  readonly description: string;
  /** Null: no JSON body. */
  readonly body: z.ZodType | null;
}

export interface Operation {
  /** Unique, in camel case. */
  readonly id: string;
  readonly method: OperationMethod;
  /** Below `/api/v1`, with `{name}` for its parts, such as `/keys/{hash}`. */
  readonly path: string;
  /** One phrase without a full stop. */
  readonly summary: string;
  readonly auth: OperationAuth;
  /** Parts of the path, by name, when their form is worth telling. */
  readonly pathParts?: Readonly<Record<string, string>>;
  /** Parameters of the query string. Each property is one; its `description` is shown. */
  readonly query?: z.ZodObject;
  /** Headers that it understands beside the usual ones; as `query`. */
  readonly headers?: z.ZodObject;
  /** The JSON body. */
  readonly request?: z.ZodType;
  /** Successes by status; errors are the same everywhere and are added by `openapi.ts`. */
  readonly responses: Readonly<Record<number, OperationResponse>>;
}
