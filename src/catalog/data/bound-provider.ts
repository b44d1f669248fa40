/**
 * The provider whose models a deployment's `AI` binding runs: https://developers.cloudflare.com/workers-ai (accessed
 * 2026-11-21). Data only.
 */
import { asProviderId } from "../../core/ids.ts";

export const BOUND_PROVIDER = asProviderId("cloudflare");
