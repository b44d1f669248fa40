/** Lets the operator through and nobody else; stands before every route of the operator's API, known or not. */
import type { MiddlewareHandler } from "hono";
import { fail, type AppEnv } from "../context.ts";
import { bearerOf, isOperator } from "./authenticate.ts";

export const requireOperator: MiddlewareHandler<AppEnv> = async function requireOperator(context, next) {
  if (bearerOf(context) === "") {
    return fail(context, { kind: "unauthenticated", message: "Missing Authentication header" });
  }
  if (!(await isOperator(context))) {
    return fail(context, { kind: "forbidden", message: "Only the operator key may do this" });
  }
  await next();
  return undefined;
};
