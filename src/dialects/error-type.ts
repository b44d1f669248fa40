/** The type of an error as its face says it: what the closed tables of the dialects are keyed by. */
import type { ErrorType } from "../core/error.ts";
import type { ErrorFace } from "./dialect.ts";

/** The error's type; every face has one in its metadata. */
export function errorTypeOf(face: ErrorFace): ErrorType {
  const type = face.metadata["error_type"];
  return typeof type === "string" ? (type as ErrorType) : "unmapped"; // written by us, from an ErrorType
}
