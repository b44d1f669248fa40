/**
 * AccountBranch: a Durable Object between a crowded AccountGate and some of the isolates that use its account. Named by
 * account and number; where it runs does not matter to it. Nothing is stored: what it knows is what an isolate would.
 */
import { DurableObject } from "cloudflare:workers";
import { asAccountId, type GenerationId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { systemClock, systemRandomBytes } from "../core/system.ts";
import { createAccountBranch } from "./account-branch-desk.ts";
import type {
  AccountSpendRpc,
  Admission,
  AdmitRequest,
  Extension,
  Settlement,
  SettleReceipt,
} from "./account-contract.ts";
import { accountGateOf } from "./account-stub.ts";

export class AccountBranch extends DurableObject<Cloudflare.Env> implements AccountSpendRpc {
  readonly #desk: AccountSpendRpc;

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env);
    const [account = "", branch = ""] = state.id.name?.split(" ") ?? [];
    this.#desk = createAccountBranch({
      clock: systemClock,
      account: asAccountId(account),
      branch,
      reporter: systemRandomBytes(16).join("."),
      gate: () => accountGateOf(env, asAccountId(account)),
      waitUntil: (work) => state.waitUntil(work),
    });
  }

  async admit(request: AdmitRequest): Promise<Admission> {
    return await this.#desk.admit(request);
  }

  async extend(extension: Extension): Promise<NanoUsd> {
    return await this.#desk.extend(extension);
  }

  async renew(generationIds: readonly GenerationId[]): Promise<void> {
    await this.#desk.renew(generationIds);
  }

  async settle(settlements: readonly Settlement[]): Promise<SettleReceipt> {
    return await this.#desk.settle(settlements);
  }
}
