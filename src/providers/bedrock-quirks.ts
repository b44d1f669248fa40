/** What an operator may declare of Bedrock: the guardrail that all its traffic passes. Parsed once per catalog value. */
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { QuirkFault } from "./adapter.ts";

const BedrockQuirksSchema = z.strictObject({
  /** As in `guardrailConfig`: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailConfiguration.html */
  guardrail: z
    .strictObject({
      guardrailIdentifier: z.string().min(1).max(2048),
      guardrailVersion: z.string().min(1).max(10),
      trace: z.enum(["enabled", "disabled", "enabled_full"]).optional(),
      streamProcessingMode: z.enum(["sync", "async"]).optional(),
    })
    .transform(({ guardrailIdentifier, guardrailVersion, trace, streamProcessingMode }): JsonObject => ({
      guardrailIdentifier,
      guardrailVersion,
      ...(trace === undefined ? {} : { trace }),
      ...(streamProcessingMode === undefined ? {} : { streamProcessingMode }),
    }))
    .optional(),
});

export type BedrockQuirks = z.infer<typeof BedrockQuirksSchema>;

// Parsed quirks by catalog value; as large as the catalog, collected with it. Never stale: values do not change.
const parsed = new WeakMap<JsonObject, Result<BedrockQuirks, string>>();

/** The quirks of a provider. @returns a sentence with the path of the first fault. */
export function parseBedrockQuirks(quirks: JsonObject): Result<BedrockQuirks, string> {
  const known = parsed.get(quirks);
  if (known !== undefined) return known;
  const read = BedrockQuirksSchema.safeParse(quirks);
  const issue = read.error?.issues[0];
  const result = read.success ? ok(read.data) : err(`quirks.${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  parsed.set(quirks, result);
  return result;
}

/** Everything that is wrong with a provider's quirks. */
export function bedrockQuirkFaults(quirks: JsonObject): readonly QuirkFault[] {
  const issues = BedrockQuirksSchema.safeParse(quirks).error?.issues ?? [];
  return issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ path: [...issue.path, key], message: "is not a quirk of this adapter" }))
      : [{ path: issue.path, message: issue.message }],
  );
}
