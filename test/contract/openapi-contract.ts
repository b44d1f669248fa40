/**
 * An OpenAPI 3.1 file as a judge of answers: which schema an operation promises for a status and a media type, and what
 * is wrong with a body. Formats are not checked. Names of operations are `METHOD /path/{part}`, below the API's base.
 */
import { readFileSync } from "node:fs";
import { type AnySchemaObject, Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { parse } from "yaml";
import * as z from "zod";

const METHODS = ["get", "post", "put", "patch", "delete"] as const;
const FAULTS_MAX = 6;
const ROOT = "file:contract";

const Content = z.record(z.string(), z.looseObject({}));
const ResponseObject = z.looseObject({ content: Content.optional() });
const OperationObject = z.looseObject({ responses: z.record(z.string(), ResponseObject) });
const Document = z.looseObject({
  openapi: z.string().regex(/^3\.1\./),
  paths: z.record(
    z.string(),
    z.looseObject(Object.fromEntries(METHODS.map((name) => [name, OperationObject.optional()]))),
  ),
});

export type Verdict =
  | { readonly kind: "valid" }
  /** The file says nothing of this operation, status or media type; `what` names which. */
  | { readonly kind: "undescribed"; readonly what: string }
  | { readonly kind: "invalid"; readonly faults: readonly string[] };

export interface Contract {
  /** All operations of the file. */
  readonly operations: readonly string[];
  judge(operation: string, status: number, mediaType: string, body: unknown): Verdict;
}

/** Reads the file; throws when it is not OpenAPI 3.1. */
export function readContract(file: string): Contract {
  const raw = withAnyProvider(parse(readFileSync(file, "utf8")));
  const { paths } = Document.parse(raw);
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false, validateSchema: false });
  // References of the file's schemas are relative to the whole file, so the whole file is the schema's home.
  ajv.addSchema({ ...(raw as AnySchemaObject), $id: ROOT });
  const compiled = new Map<string, ValidateFunction>();
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method] !== undefined).map((method) => `${method.toUpperCase()} ${path}`),
  );
  return {
    operations,
    judge(operation, status, mediaType, body) {
      const [method = "", path = ""] = operation.split(" ");
      const found = OperationObject.safeParse(paths[path]?.[method.toLowerCase()]);
      if (!found.success) return { kind: "undescribed", what: operation };
      const key = [String(status), `${String(status)[0]}XX`, "default"].find((name) => name in found.data.responses);
      if (key === undefined) return { kind: "undescribed", what: `${operation} ${status}` };
      if (found.data.responses[key]?.content?.[mediaType] === undefined) {
        return { kind: "undescribed", what: `${operation} ${status} as ${mediaType}` };
      }
      const pointer = ["paths", path, method.toLowerCase(), "responses", key, "content", mediaType, "schema"];
      const validate = validatorOf(ajv, compiled, pointer);
      if (validate(body)) return { kind: "valid" };
      return { kind: "invalid", faults: faultsOf(validate) };
    },
  };
}

/** One of the names that only the file's list of providers has. */
const NAME_OF_THE_LIST = "FakeProvider";

/** The file lists the names of its own service's providers; which there are here is the operator's choice. */
function withAnyProvider(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withAnyProvider);
  if (typeof node !== "object" || node === null) return node;
  const { enum: names, ...rest } = node as { readonly enum?: unknown };
  const isList = Array.isArray(names) && names.includes(NAME_OF_THE_LIST);
  const kept = isList || names === undefined ? rest : { enum: names, ...rest };
  return Object.fromEntries(Object.entries(kept).map(([key, value]) => [key, withAnyProvider(value)]));
}

function validatorOf(
  ajv: Ajv2020,
  compiled: Map<string, ValidateFunction>,
  pointer: readonly string[],
): ValidateFunction {
  const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")));
  const reference = `${ROOT}#/${escaped.join("/")}`;
  const known = compiled.get(reference);
  if (known !== undefined) return known;
  const validate = ajv.compile({ $ref: reference });
  compiled.set(reference, validate);
  return validate;
}

function faultsOf({ errors }: ValidateFunction): readonly string[] {
  const all = (errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${instancePath || "/"} ${message ?? "is not valid"} ${JSON.stringify(params)}`,
  );
  return all.length <= FAULTS_MAX ? all : [...all.slice(0, FAULTS_MAX), `and ${all.length - FAULTS_MAX} more`];
}
