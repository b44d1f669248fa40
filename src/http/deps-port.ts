/** What the routes need, as one port; `deps.ts` fills it, a test may too. */
import type { KeySecrets } from "../accounts/keys.ts";
import type { CatalogStore } from "../catalog/publish.ts";
import type { CatalogReader } from "../catalog/store.ts";
import type { Clock, RandomBytes } from "../core/clock.ts";
import type { AccountId, KeyHash, ProviderId, RegionId } from "../core/ids.ts";
import type { AddressRule } from "../core/public-url.ts";
import type { Result } from "../core/result.ts";
import type { AccountGateRpc } from "../gates/account-contract.ts";
import type { Payments } from "../gates/payments.ts";
import type { VoucherGateRpc } from "../gates/voucher-contract.ts";
import type { PresetClient } from "../gates/presets-client.ts";
import type { ProviderClient } from "../gates/provider-client.ts";
import type { ProviderGateRpc } from "../gates/provider-contract.ts";
import type { Books } from "../ledger/shards.ts";
import type { Deadlines } from "../router/deadlines.ts";
import type { Fetch, RouterPorts } from "../router/ports.ts";

/** The deployment's own settings, checked once per isolate. */
export interface Settings {
  readonly operatorKey: string;
  /** Seals provider credentials. */
  readonly sealingSecret: string;
  /** Open what was sealed: the present secret, and the one before while rotating. */
  readonly openingSecrets: readonly string[];
  /** `request.cf` is Cloudflare's own, or a trusted proxy's. */
  readonly trustsPlace: boolean;
  /** Where the catalog's providers may be. */
  readonly addresses: AddressRule;
  readonly deadlines: Deadlines;
}

export interface Deps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly catalog: CatalogReader;
  readonly store: CatalogStore;
  /** The databases: an account's own, or the main one for what belongs to the deployment. */
  readonly books: Books;
  readonly secrets: KeySecrets;
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly log: (line: string) => void;
  readonly accountGate: (account: AccountId) => AccountGateRpc;
  readonly providerGate: (provider: ProviderId, region: RegionId) => ProviderGateRpc;
  readonly voucherGate: () => VoucherGateRpc;
  readonly presets: PresetClient;
  /** Null: this deployment takes no payments. */
  readonly payments: Payments | null;
  readonly providers: ProviderClient;
  /** Whether the environment brings a credential for the provider. */
  readonly hasEnvironmentCredential: (provider: ProviderId) => boolean;
  /** Ids of the credentials in use: the stored ones, or else the environment's. Those that cannot be opened are none. */
  readonly credentialIds: (provider: ProviderId, sealed: string | null) => Promise<readonly string[]>;
  /** @returns an error sentence, fit for a client, for a key that is not ours. No I/O. */
  readonly verify: (text: string) => Promise<Result<{ readonly account: AccountId; readonly hash: KeyHash }, string>>;
  /** For addresses that somebody else names, by `fetchPublic` alone. */
  readonly publicNetwork: Fetch;
  readonly router: RouterPorts;
}
