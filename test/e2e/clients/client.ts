/**
 * What each client of the matrix has to do, and in which words its answers are compared. A client is driven as its own
 * documentation says, with its own helpers for schemas, tools and streams; what it understood is returned in the shape
 * below. What it does not understand throws, in its own words.
 */
import * as z from "zod";
import { TOOLS } from "../upstream-aimock.ts";
import type { Stage } from "./stage.ts";

export interface Answer {
  readonly text: string;
  /** In the client's own word. */
  readonly finish: string | undefined;
  readonly usage: { readonly prompt: number | undefined; readonly completion: number | undefined };
  /** In USD. `null`: the client has no place where it would show. */
  readonly cost: number | null | undefined;
  /** The generation's. */
  readonly id: string;
}

export interface Call {
  readonly name: string;
  /** Parsed. */
  readonly arguments: unknown;
}

/** A turn that called, and the one that got `RESULTS`. */
export interface ToolTurns {
  readonly calls: readonly Call[];
  readonly finish: string | undefined;
  /** Of the second turn. */
  readonly text: string;
}

export interface Client {
  readonly name: string;
  /** Its words for the end of an answer, and for the end of a turn that calls. */
  readonly finishes: { readonly stop: string; readonly calls: string };
  /** Points it at the server, as the account of the stage. */
  connect(stage: Stage): Connected;
}

export interface Connected {
  answer(model: string): Promise<Answer>;
  /** @returns with the number of pieces of text that came. */
  stream(model: string): Promise<Answer & { readonly pieces: number }>;
  callTools(model: string): Promise<ToolTurns>;
  /** The same, with the calls from a stream. */
  streamTools(model: string): Promise<ToolTurns>;
  /** @returns what the client's own parser made of the answer to PERSON. */
  structure(model: string): Promise<unknown>;
  /** @returns the text of the answer to PICTURE. */
  see(model: string): Promise<string>;
}

/** PERSON's schema as users of these clients write one. */
export const Person = z.object({ name: z.string(), age: z.number().int() });

/** What each call of TOOLS brought, in their order. */
export const RESULTS = ["18 degrees", "21 degrees", "noon"] as const;

/** The result of a call by its city; throws for one that TOOLS has not. */
export function resultOf(name: string, input: unknown): string {
  const { city } = z.looseObject({ city: z.string() }).parse(input);
  const result = RESULTS[TOOLS.calls.findIndex((call) => call.name === name && call.arguments.city === city)];
  if (result === undefined) throw new Error(`${name} was called for ${city}`);
  return result;
}

/** The tools of TOOLS: name and JSON schema, mutable for clients that want it so. */
export const TOOL_SCHEMAS = Object.entries(TOOLS.schemas).map(([name, schema]) => ({
  name,
  schema: { ...schema, required: [...schema.required] },
}));

/** What the API adds to every format's usage. */
export function costIn(usage: unknown): number | undefined {
  return (usage as { readonly cost?: number } | null | undefined)?.cost;
}
