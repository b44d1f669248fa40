/**
 * The chart of accounts: every account that the ledger may name, in one place. Pure. A new kind of account is one row
 * here; the audit takes any name that no row knows for a fault, and prints one total per row.
 * Sign: a positive line raises an account's balance. All balances together are zero, so the signs tell who owes whom.
 */

/** One kind of ledger account: a single name, or a prefix that a tenant's id or a provider's slug follows. */
export interface AccountClass {
  /** As the audit's totals name it. */
  readonly name: string;
  readonly match:
    | { readonly kind: "one"; readonly account: string }
    | { readonly kind: "each"; readonly prefix: string };
  /** What a positive balance says. */
  readonly says: string;
}

export const CHART = [
  { name: "tenants", match: { kind: "each", prefix: "tenant:" }, says: "prepaid credit, owed to the tenants" },
  { name: "providers", match: { kind: "each", prefix: "provider:" }, says: "owed to the providers" },
  {
    name: "margin",
    match: { kind: "one", account: "margin" },
    says: "earned between the price and the provider's bill",
  },
  {
    name: "fee",
    match: { kind: "one", account: "fee" },
    says: "earned by fees: on purchases, and for tenants' own keys",
  },
  { name: "operator_loss", match: { kind: "one", account: "operator-loss" }, says: "never: it falls with every loss" },
  {
    name: "promotion",
    match: { kind: "one", account: "promotion" },
    says: "never: it falls with credit that is granted",
  },
  { name: "refund", match: { kind: "one", account: "refund" }, says: "gone back to payers by refunds and disputes" },
  { name: "clearing", match: { kind: "one", account: "clearing" }, says: "never: it falls with payments on their way" },
] as const satisfies readonly AccountClass[];

type Match = (typeof CHART)[number]["match"];

/** A name that the chart knows. */
export type LedgerAccount =
  | Extract<Match, { readonly kind: "one" }>["account"]
  | `${Extract<Match, { readonly kind: "each" }>["prefix"]}${string}`;

/** The class of a ledger account, or undefined for a name that the chart doesn't know. */
export function classOf(account: string): (typeof CHART)[number]["name"] | undefined {
  return CHART.find(({ match }) =>
    match.kind === "one" ? account === match.account : account.startsWith(match.prefix) && account !== match.prefix,
  )?.name;
}

/** A SQL expression: the class of the account in `column`, null for a name that the chart doesn't know. */
export function classSql(column: string): string {
  const whens = CHART.map(({ name, match }) => {
    const condition =
      match.kind === "one"
        ? `${column} = '${match.account}'`
        : `${column} > '${match.prefix}' AND substr(${column}, 1, ${match.prefix.length}) = '${match.prefix}'`;
    return `WHEN ${condition} THEN '${name}'`;
  });
  return `CASE ${whens.join(" ")} END`;
}
