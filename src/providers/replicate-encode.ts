/**
 * A chat request as the input of a prediction. The conversation becomes one prompt (-prompt); which inputs a model has and
 * what it calls them is data (-quirks). Tools, structured answers and reasoning have no place in it: such a request is
 * refused with the reason, so that another endpoint takes it, never sent without them.
 * A model is `owner/name`; `owner/name:<version>` is one version of it, `deployments/owner/name` a deployment.
 * Source: https://replicate.com/docs/reference/http (accessed 2026-11-21). Token counts throughout.
 */
import { requestedParameters, type ChatRequest, type Sampling } from "../core/chat.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EncodedRequest, Target } from "./adapter.ts";
import { takes } from "./answer-form.ts";
import { leftOut, newNotes, refuse, wantsReasoning, type Notes } from "./echo.ts";
import { noteCache, renderedPrompt } from "./replicate-prompt.ts";
import { inputsOf, parseReplicateQuirks, type ReplicateInputs } from "./replicate-quirks.ts";

/**
 * How long a buffered request waits for its answer itself; then it is asked for. Shorter than the provider's minute, and
 * than a client that left is waited for, so that the prediction's name, by which it is canceled, is known by then.
 */
const WAIT_S = 20;
/** The provider ends a prediction that nobody asks for any more: as long as a generation may last. */
const CANCEL_AFTER = "15m";

const MODEL = /^(?<model>\w[\w.-]*\/\w[\w.-]*)(:(?<version>[0-9a-f]{64}))?$/;
const DEPLOYMENT = /^deployments\/\w[\w.-]*\/\w[\w.-]*$/;

type Input = Record<string, Json>;

/** @returns an error sentence when the request asks for something that a prompt cannot say. */
export function encodeReplicate(request: ChatRequest, target: Target): Result<EncodedRequest, string> {
  const quirks = parseReplicateQuirks(target.quirks);
  if (!quirks.ok) return err(quirks.error);
  const place = placeOf(target.upstreamModel);
  if (place === null) return err(`"${target.upstreamModel}" is not the name of a model here.`);
  const notes = newNotes();
  refuseUnsayable(request, notes);
  const inputs = inputsOf(quirks.value, place.model);
  const input = inputOf(request, target, inputs, notes);
  if (notes.fault !== null) return err(notes.fault);
  const body: JsonObject = {
    ...(place.version === undefined ? {} : { version: place.version }),
    input,
    ...(request.stream ? { stream: true } : {}),
  };
  return ok({
    url: `${target.baseUrl}${place.path}`,
    headers: {
      "content-type": "application/json",
      accept: "application/json",
      authorization: `Bearer ${target.credential}`,
      "cancel-after": CANCEL_AFTER,
      ...(request.stream ? {} : { prefer: `wait=${WAIT_S}` }),
    },
    body: JSON.stringify(body),
    warnings: [...notes.warnings],
  });
}

interface ModelPlace {
  /** The name that the quirks know. */
  readonly model: string;
  readonly path: string;
  readonly version?: string | undefined;
}

function placeOf(upstreamModel: string): ModelPlace | null {
  if (DEPLOYMENT.test(upstreamModel)) return { model: upstreamModel, path: `/${upstreamModel}/predictions` };
  const { model, version } = MODEL.exec(upstreamModel)?.groups ?? {};
  if (model === undefined) return null;
  return version === undefined
    ? { model, path: `/models/${model}/predictions` }
    : { model, path: "/predictions", version: `${model}:${version}` };
}

function refuseUnsayable(request: ChatRequest, notes: Notes): void {
  if (request.responseFormat !== undefined && request.responseFormat.kind !== "text")
    refuse(notes, "This provider gives no structured answers.");
  if (wantsReasoning(request.reasoning)) refuse(notes, "This provider's reasoning cannot be asked for.");
  if (request.tools.length > 0) refuse(notes, "This provider takes no tools.");
  if (request.modalities?.some((modality) => modality !== "text") === true)
    refuse(notes, "This provider answers with text only.");
}

function inputOf(request: ChatRequest, target: Target, inputs: ReplicateInputs, notes: Notes): Input {
  const { system, prompt, images } = renderedPrompt(request.messages, notes);
  const hasOwnPlace = inputs.system !== null;
  const input: Input = { [inputs.prompt]: hasOwnPlace || system === "" ? prompt : `${system}\n\n${prompt}` };
  if (inputs.system !== null && system !== "") input[inputs.system] = system;
  addImages(images, inputs, input, notes);
  if (request.maxOutputTokens !== undefined) {
    if (inputs.max_tokens === null) leftOut(notes, "max_tokens");
    else input[inputs.max_tokens] = request.maxOutputTokens;
  }
  addSampling(request, target, inputs, input, notes);
  addStop(request, target, inputs, input, notes);
  if (request.cacheControl !== undefined) noteCache(notes);
  for (const [name, value] of Object.entries(request.extra)) {
    if (inputs.extra.includes(name) && !Object.hasOwn(input, name)) input[name] = value;
    else notes.warnings.add(`${name} is not known to this endpoint and was left out.`);
  }
  return input;
}

function addImages(images: readonly string[], inputs: ReplicateInputs, input: Input, notes: Notes): void {
  const [first] = images;
  if (first === undefined) return;
  if (inputs.images === null) refuse(notes, "This model takes no images.");
  else if (inputs.images_as === "list") input[inputs.images] = images;
  else if (images.length === 1) input[inputs.images] = first;
  else refuse(notes, "This model takes no more than one image.");
}

function addSampling(request: ChatRequest, target: Target, inputs: ReplicateInputs, input: Input, notes: Notes): void {
  const { n, ...sampling } = request.sampling;
  for (const name of requestedParameters({ ...request, sampling })) {
    // Names of other parameters are not among the sampling's.
    const value = sampling[name as Exclude<keyof Sampling, "n">];
    if (value === undefined || value === false) continue;
    const own = Object.hasOwn(inputs.sampling, name) ? inputs.sampling[name] : name;
    if (own === null || own === undefined || !takes(target, name)) leftOut(notes, name);
    else input[own] = value;
  }
  if ((n ?? 1) > 1) notes.warnings.add("n is not supported by this endpoint; one choice is given.");
  if (request.parallelToolCalls !== undefined) leftOut(notes, "parallel_tool_calls");
}

function addStop(request: ChatRequest, target: Target, inputs: ReplicateInputs, input: Input, notes: Notes): void {
  if (request.stop.length === 0) return;
  if (inputs.stop === null || !takes(target, "stop")) return leftOut(notes, "stop");
  const isText = inputs.stop_as === "text";
  const sayable = request.stop.filter((sequence) => !isText || !sequence.includes(","));
  if (sayable.length < request.stop.length)
    notes.warnings.add("Stop sequences with a comma cannot be said here and were left out.");
  if (sayable.length > 0) input[inputs.stop] = isText ? sayable.join(",") : sayable;
}
