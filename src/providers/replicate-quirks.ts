/**
 * What Replicate's models call their inputs, as data: the catalog's `quirks` of a provider, parsed once per catalog value.
 * Each model has a schema of its own. The names here are those of its language models that most of them share; a model
 * that differs says so under `models`. A name that is null: the model has no such input. An unknown key is a fault.
 */
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { quirkReader } from "./quirks.ts";

const Input = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/i, "must be the name of an input");

const InputsSchema = z.strictObject({
  /** The conversation, rendered. */
  prompt: Input,
  /** Null: what the system says stands before the conversation. */
  system: Input.nullable(),
  max_tokens: Input.nullable(),
  /** Standard names of sampling parameters -> the model's; those that are not here keep theirs. */
  sampling: z.record(z.string(), Input.nullable()),
  stop: Input.nullable(),
  /** `text`: sequences are separated by commas, so that none can hold one. */
  stop_as: z.enum(["text", "list"]),
  images: Input.nullable(),
  /** `one`: a single address, no list. */
  images_as: z.enum(["list", "one"]),
  /** Further inputs that a client may set, by the model's own names. */
  extra: z.array(Input).max(40),
});
export type ReplicateInputs = z.infer<typeof InputsSchema>;

const DEFAULT_INPUTS: ReplicateInputs = {
  prompt: "prompt",
  system: "system_prompt",
  max_tokens: "max_tokens",
  sampling: {},
  stop: "stop_sequences",
  stop_as: "text",
  images: "images",
  images_as: "list",
  extra: [],
};

const Host = z.string().regex(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/, "must be a host, or *. and a domain");

const ReplicateQuirksSchema = z.strictObject({
  /** Hosts besides the API's own that streams are served from; `*.domain` is every host below it. */
  stream_hosts: z.array(Host).max(10).default([]),
  /** What differs from the defaults in all of the provider's models. */
  inputs: InputsSchema.partial().default({}),
  /** Of single models, `owner/name`: what differs from `inputs`. */
  models: z.record(z.string(), InputsSchema.partial()).default({}),
});

type ReplicateQuirks = z.infer<typeof ReplicateQuirksSchema>;

/** `parse`: the quirks of a provider, or what is wrong with them first; `faults`: all that is. */
export const { parse: parseReplicateQuirks, faults: replicateQuirkFaults } = quirkReader(ReplicateQuirksSchema);

/** What `model` calls its inputs. */
export function inputsOf({ inputs, models }: ReplicateQuirks, model: string): ReplicateInputs {
  const own = Object.hasOwn(models, model) ? models[model] : undefined;
  const sampling = { ...inputs.sampling, ...own?.sampling };
  return Object.assign({}, DEFAULT_INPUTS, inputs, own, { sampling });
}

const DEFAULT_QUIRKS: ReplicateQuirks = ReplicateQuirksSchema.parse({});

/** The quirks of a provider for reading its answers; faulty ones were refused when the request was encoded. */
export function readingReplicateQuirks(quirks: JsonObject): ReplicateQuirks {
  const result = parseReplicateQuirks(quirks);
  return result.ok ? result.value : DEFAULT_QUIRKS;
}
