/** What an operator may declare of Bedrock: the guardrail that all its traffic passes. Parsed once per catalog value. */
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { quirkReader } from "./quirks.ts";

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

/** `parse`: the quirks of a provider, or what is wrong with them first; `faults`: all that is. */
export const { parse: parseBedrockQuirks, faults: bedrockQuirkFaults } = quirkReader(BedrockQuirksSchema);
