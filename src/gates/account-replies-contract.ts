/**
 * Answers kept for a repeated request, as an AccountGate knows them: who works on one, whether it is there, why it is not.
 * The gate sees sealed bytes and hashes, never a key, a prompt or an answer. One RPC with one command each.
 *
 * A request claims its reply by id (a hash of API key and Idempotency-Key) and fingerprint (a hash of the request). Whoever
 * gets it works and renews the claim; it writes the sealed pieces and finishes, or drops the claim, so that the next one
 * may try. A claim that nobody renews ends by itself.
 */
import type { RouterError } from "../core/error.ts";
import type { GenerationId, KeyHash } from "../core/ids.ts";
import type { Result } from "../core/result.ts";

/**
 * Why an answer that was charged for can't be given again.
 * - `zero_retention`: the request or the account wants nothing kept;
 * - `left`: its client left before the end, and nobody saw the rest;
 * - `too_large`: beyond what is kept of one answer, or of all that one isolate works on;
 * - `evicted`: newer answers of the account took its room;
 * - `unstored`: it was charged, and whoever worked on it was gone before it was kept.
 */
export type WithheldReason = "zero_retention" | "left" | "too_large" | "evicted" | "unstored";

export type ReplyCommand =
  | {
      readonly kind: "claim";
      readonly id: string;
      readonly keyHash: KeyHash;
      readonly fingerprint: string;
      /** Names who works on it; made anew for each request. */
      readonly owner: string;
      readonly generationId: GenerationId;
      /** How long to wait for another one that works on it; at most WAIT_MS_MAX of account-replies.ts. */
      readonly waitMs: number;
    }
  | { readonly kind: "renew"; readonly id: string; readonly owner: string }
  /** Pieces in order, from 0. */
  | {
      readonly kind: "write";
      readonly id: string;
      readonly owner: string;
      readonly at: number;
      readonly bytes: Uint8Array;
    }
  /** `withheld` null: all `pieces` are written. */
  | {
      readonly kind: "finish";
      readonly id: string;
      readonly owner: string;
      readonly pieces: number;
      readonly withheld: WithheldReason | null;
    }
  | { readonly kind: "drop"; readonly id: string; readonly owner: string }
  | { readonly kind: "read"; readonly id: string; readonly at: number };

export type ReplyClaim =
  /** The caller's to work on. */
  | { readonly kind: "mine"; readonly isZeroRetention: boolean }
  /** Another one works on it. */
  | { readonly kind: "running"; readonly leaseUntilMs: number }
  /** `first` is the first of `pieces`. */
  | { readonly kind: "stored"; readonly pieces: number; readonly first: Uint8Array }
  | { readonly kind: "withheld"; readonly reason: WithheldReason; readonly generationId: GenerationId }
  /** The id belongs to a request with another fingerprint. */
  | { readonly kind: "mismatch" };

export type ReplyAnswer =
  | ReplyClaim
  | { readonly kind: "done" }
  /** The claim is another one's by now, or the piece is not there. */
  | { readonly kind: "gone" }
  | { readonly kind: "piece"; readonly bytes: Uint8Array };

export interface AccountRepliesRpc {
  /** @returns what `identify` refuses with, for a claim whose key may not be used. */
  replies(command: ReplyCommand): Promise<Result<ReplyAnswer, RouterError>>;
}
