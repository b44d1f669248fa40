/**
 * The isolate's side of BYOK: the lists of credentials that gates have handed out, opened, and which of them failed here
 * lately. Nothing is awaited while planning. What is held may be older than the gate's: a request is admitted only with
 * the gate's present token, or from a lease of that token, which lives 10 s.
 * Memory: accounts with enabled credentials only, at most ACCOUNTS_MAX, the oldest leave first; a plain secret is here and
 * nowhere else.
 */
import { byokContext, NO_BYOK, type ByokGrant, type OpenByok, type SealedByok } from "../accounts/byok.ts";
import type { Clock, EpochMs } from "../core/clock.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { AccountId, ByokId } from "../core/ids.ts";
import type { AccountByokRpc } from "./account-byok-contract.ts";

/** What an isolate plans with. */
export interface ByokView {
  readonly token: string;
  /** Basis points of the list price. */
  readonly feeBps: number;
  readonly credentials: readonly OpenByok[];
}

export interface ByokClientPorts {
  readonly clock: Clock;
  readonly gate: (account: AccountId) => Pick<AccountByokRpc, "byokGrant">;
  /** Null when no secret of the deployment opens it. */
  readonly unseal: (sealed: string, context: string) => Promise<string | null>;
}

export interface ByokClient {
  /** What is known of an account; of most, that there is nothing to know. */
  known(account: AccountId): ByokView;
  /** Opens and keeps what a gate has granted. */
  take(account: AccountId, grant: ByokGrant): Promise<ByokView>;
  /** Asks the gate; null when what is known is the present state, or the gate cannot be reached. */
  refresh(account: AccountId): Promise<ByokView | null>;
  /** Remembers how a credential fared; `failure` null: it answered. */
  note(id: ByokId, failure: UpstreamFailure | null): void;
  /** It failed lately, by its own fault: what else may serve goes first. */
  isCooling(id: ByokId): boolean;
}

const ACCOUNTS_MAX = 5_000;
const COOLING_MAX = 10_000;
/** How long a refused credential is set back. */
const REFUSED_MS = 60_000;
/** The same for one at its rate limit, when the provider says nothing, and at most. */
const LIMITED_MS = 10_000;
const LIMITED_MS_MAX = 600_000;

const NOTHING: ByokView = { token: NO_BYOK, feeBps: 0, credentials: [] };

interface Known {
  readonly view: ByokView;
  /** By sealed text, so that a new list opens only what is new in it. */
  readonly opened: ReadonlyMap<string, string | null>;
}

/** One client per isolate. */
export function createByokClient(ports: ByokClientPorts): ByokClient {
  const accounts = new Map<AccountId, Known>();
  const coolUntilMs = new Map<ByokId, EpochMs>();

  async function take(account: AccountId, grant: ByokGrant): Promise<ByokView> {
    if (grant.token === NO_BYOK) {
      accounts.delete(account);
      return NOTHING;
    }
    const before = accounts.get(account)?.opened;
    const opened = new Map<string, string | null>();
    for (const one of grant.credentials) {
      const known = before?.get(one.sealed);
      const context = byokContext(account, one.provider);
      opened.set(one.sealed, known ?? (await ports.unseal(one.sealed, context)));
    }
    const credentials = grant.credentials.map((one) => openOf(one, opened.get(one.sealed) ?? null));
    const view = { token: grant.token, feeBps: grant.feeBps, credentials };
    makeRoom(accounts, ACCOUNTS_MAX);
    accounts.set(account, { view, opened });
    return view;
  }

  return {
    known: (account) => accounts.get(account)?.view ?? NOTHING,
    take,
    async refresh(account) {
      const token = accounts.get(account)?.view.token ?? NO_BYOK;
      const answer = await ports
        .gate(account)
        .byokGrant(token)
        .catch(() => null);
      return answer === null || !answer.ok || answer.value === null ? null : await take(account, answer.value);
    },
    note(id, failure) {
      const waitMs = failure === null ? 0 : coolingMs(failure);
      if (waitMs === 0) return void coolUntilMs.delete(id);
      makeRoom(coolUntilMs, COOLING_MAX);
      coolUntilMs.set(id, ports.clock() + waitMs);
    },
    isCooling: (id) => (coolUntilMs.get(id) ?? 0) > ports.clock(),
  };
}

function openOf({ sealed: _sealed, ...rest }: SealedByok, secret: string | null): OpenByok {
  return { ...rest, secret };
}

/** Only what is the credential's own trouble sets it back; the endpoint's health is another matter. */
function coolingMs(failure: UpstreamFailure): number {
  switch (failure.scope) {
    case "credential":
      return REFUSED_MS;
    case "capacity":
      return Math.min(failure.retryAfterMs ?? LIMITED_MS, LIMITED_MS_MAX);
    case "endpoint":
    case "request":
      return 0;
    default:
      return failure.scope satisfies never;
  }
}

function makeRoom<Key>(map: Map<Key, unknown>, most: number): void {
  const oldest = map.size >= most ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
