/** Statements: what they sum to, whoever asks and in either form, across months, files and late rows. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { expect, test } from "vitest";
import { parseUsd } from "../../src/core/money.ts";
import { monthOf, readStatement, type StatementPart } from "../../src/gates/statement.ts";
import { archiveOnce, cutoffAt } from "../../src/insight/archive.ts";
import { newGeneration, request, setClock, settlement, USD } from "./account-setup.ts";
import { operator } from "./admin-setup.ts";
import { ask, dataOf, newTenant, type Tenant } from "./fixture.ts";

interface Statement {
  readonly opening_balance: string;
  readonly movements: readonly { readonly kind: string; readonly amount: string; readonly reason: string | null }[];
  readonly usage: readonly {
    readonly day: string;
    readonly model: string;
    readonly requests: string;
    readonly amount: string;
    readonly key_name: string | null;
  }[];
  readonly booked_meanwhile: string;
  readonly closing_balance: string;
  readonly is_proved: boolean;
  readonly is_final: boolean;
}

const nanos = (text: string): bigint => {
  const parsed = parseUsd(text);
  if (!parsed.ok) throw new Error(`${text} ${parsed.error}`);
  return parsed.value;
};
const sum = (amounts: readonly string[]): bigint => amounts.reduce((total, text) => total + nanos(text), 0n);

async function credit(tenant: Tenant, atMs: number, key: string, amountNusd: bigint, reason = "test"): Promise<void> {
  await setClock(tenant, atMs);
  const given = await tenant.gate.credit({ idempotencyKey: key, amountNusd, reason });
  expect(given.ok).toBe(true);
}

async function spend(tenant: Tenant, atMs: number, costNusd: bigint, model = "forest/leaf"): Promise<void> {
  await setClock(tenant, atMs);
  const one = request(tenant, { generationId: newGeneration(atMs), wantedNusd: costNusd, minimumNusd: costNusd });
  expect(await tenant.gate.admit(one)).toMatchObject({ kind: "admitted" });
  const settled = settlement(tenant, one.generationId, costNusd);
  await tenant.gate.settle([{ ...settled, record: settled.record === null ? null : { ...settled.record, model } }]);
  await runDurableObjectAlarm(tenant.gate);
}

const day = (text: string): number => Date.parse(`${text}Z`);
const statementOf = async (tenant: Tenant, month: string) =>
  dataOf<Statement>(await ask("GET", `/credits/statement?month=${month}`, tenant.managementKey));

/** Two months of a tenant's life, its first key named like a formula. */
async function twoMonths(): Promise<Tenant> {
  const tenant = await newTenant();
  await tenant.gate.updateKey(tenant.keyHash, { name: '=cmd|"/c calc"!A1' });
  await credit(tenant, day("2026-08-03T10:00:00"), "a", 20n * USD, "=HYPERLINK(1)");
  await spend(tenant, day("2026-08-03T12:00:00"), 1_000_000_001n);
  await spend(tenant, day("2026-08-03T13:00:00"), 2n * USD);
  await spend(tenant, day("2026-08-31T23:59:59"), 3n * USD, "forest/root");
  await spend(tenant, day("2026-09-01T00:00:00"), 4n * USD);
  await credit(tenant, day("2026-09-10T00:00:00"), "b", -5n * USD, 'taken, "back"\nin two lines');
  return tenant;
}

test("opening, movements and usage come to the closing, which is the next month's opening", async () => {
  const tenant = await twoMonths();
  const august = await statementOf(tenant, "2026-08");
  expect(august).toMatchObject({
    opening_balance: "0",
    movements: [{ kind: "credit", amount: "20", fee: "0", reason: "=HYPERLINK(1)" }],
    usage: [
      {
        day: "2026-08-03",
        model: "forest/leaf",
        provider: "mistral",
        requests: "2",
        amount: "-3.000000001",
        list_cost: "3.000000001",
        prompt_tokens: "20",
        completion_tokens: "40",
      },
      { day: "2026-08-31", model: "forest/root", requests: "1", amount: "-3" },
    ],
    booked_meanwhile: "0",
    closing_balance: "13.999999999",
    is_proved: true,
    is_final: true,
  });
  const september = await statementOf(tenant, "2026-09");
  expect(september).toMatchObject({ opening_balance: "13.999999999", closing_balance: "4.999999999", is_proved: true });
  for (const { opening_balance: opening, movements, usage, closing_balance: closing } of [august, september]) {
    const all = [opening, ...movements.map(({ amount }) => amount), ...usage.map(({ amount }) => amount)];
    expect(sum(all)).toBe(nanos(closing));
  }
  const view = await tenant.gate.view();
  expect(view).toMatchObject({ ok: true, value: { balanceNusd: 4_999_999_999n } });
  expect(await statementOf(tenant, "2026-07")).toMatchObject({
    opening_balance: "0",
    movements: [],
    usage: [],
    closing_balance: "0",
  });
});

test("a month's statement is the same after its generations have left for files", async () => {
  const tenant = await twoMonths();
  const before = [await statementOf(tenant, "2026-08"), await statementOf(tenant, "2026-09")];
  const strip = (statements: readonly Statement[]) => statements.map((statement) => ({ ...statement, as_of: "" }));
  // A part of it has left, then all.
  const cutoffMs = cutoffAt(day("2026-11-21T00:00:00"));
  expect(await archiveOnce({ db: env.DB, archive: env.ARCHIVE }, tenant.id, cutoffMs)).toBe(2);
  expect(strip([await statementOf(tenant, "2026-08"), await statementOf(tenant, "2026-09")])).toEqual(strip(before));
  while ((await archiveOnce({ db: env.DB, archive: env.ARCHIVE }, tenant.id, cutoffMs)) > 0);
  expect(strip([await statementOf(tenant, "2026-08"), await statementOf(tenant, "2026-09")])).toEqual(strip(before));
});

/** The cells of RFC 4180 text, row by row. */
function cellsOf(csv: string): readonly (readonly string[])[] {
  return csv
    .split(/\r\n(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .filter((row) => row !== "")
    .map((row) =>
      [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(([, quoted, plain]) =>
        quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'),
      ),
    );
}

test("the CSV sums up the same, downloads as a file, and no cell of text is a formula", async () => {
  const tenant = await twoMonths();
  const response = await exports.default.fetch(
    new Request("https://waypost.test/v1/credits/statement?month=2026-08&format=csv", {
      headers: { Authorization: `Bearer ${tenant.managementKey}` },
    }),
  );
  expect(response.headers.get("content-type")).toBe("text/csv; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("private, no-store");
  expect(response.headers.get("content-disposition")).toBe(`attachment; filename="waypost-${tenant.id}-2026-08.csv"`);
  const [head = [], ...rows] = cellsOf(await response.text());
  const column = (row: readonly string[], name: string): string => row[head.indexOf(name)] ?? "";
  expect(rows.map((row) => column(row, "type"))).toEqual([
    "opening_balance",
    "credit",
    "usage",
    "usage",
    "closing_balance",
  ]);
  const amounts = rows.map((row) => column(row, "amount")).filter((text) => text !== "");
  expect(sum(amounts)).toBe(nanos(column(rows.at(-1) ?? [], "balance")));
  for (const cell of rows.flat()) expect(cell).not.toMatch(/^([=+@\t\r]|-(?!\d+(\.\d+)?$))/);
  expect(rows.map((row) => column(row, "reason"))).toContain("'=HYPERLINK(1)");
  expect(rows.map((row) => column(row, "key_name"))).toContain('\'=cmd|"/c calc"!A1');
  const second = await exports.default.fetch(
    new Request("https://waypost.test/v1/credits/statement?month=2026-09&format=csv", {
      headers: { Authorization: `Bearer ${tenant.managementKey}` },
    }),
  );
  const september = cellsOf(await second.text());
  expect(september.map((row) => row[head.indexOf("reason")])).toContain('taken, "back"\nin two lines');
});

test("the operator reads any account's statement; others read their own, with a management key", async () => {
  const tenant = await twoMonths();
  const stranger = await newTenant();
  const own = await statementOf(tenant, "2026-08");
  const seen = await operator("GET", `/accounts/${tenant.id}/statement?month=2026-08`);
  expect({ ...(seen.body["data"] as object), as_of: "" }).toEqual({ ...own, as_of: "" });
  expect(await statementOf(stranger, "2026-08")).toMatchObject({ movements: [], usage: [], closing_balance: "0" });
  expect((await ask("GET", "/credits/statement", tenant.key)).status).toBe(403);
  expect((await ask("GET", "/credits/statement")).status).toBe(401);
  expect((await operator("GET", "/accounts/gl10000000000abc/statement")).status).toBe(404);
});

test.each([
  { query: "month=2026-13", path: "month" },
  { query: "month=2026-8", path: "month" },
  { query: "month=1999-01", path: "month" },
  { query: "month=2099-01", path: "month" },
  { query: "month=", path: "month" },
  { query: "format=pdf", path: "format" },
])("$query is refused", async ({ query, path }) => {
  const tenant = await newTenant();
  const answer = await ask("GET", `/credits/statement?${query}`, tenant.managementKey);
  expect(answer).toMatchObject({ status: 400, body: { error: { metadata: { path } } } });
});

test("the running month is not final, and holds what was just booked", async () => {
  const tenant = await newTenant(5n * USD);
  await spend(tenant, Date.now(), USD);
  const answer = await ask("GET", "/credits/statement", tenant.managementKey);
  expect(dataOf<Statement>(answer)).toMatchObject({ closing_balance: "4", is_final: false, is_proved: true });
});

test("what is booked while the statement is read becomes a part of its own, and the sum still holds", async () => {
  const tenant = await twoMonths();
  const month = monthOf("2026-08");
  if (month === undefined) throw new Error("2026-08 is a month");
  const parts: StatementPart[] = [];
  for await (const part of readStatement(env.DB, tenant.id, month, Date.now())) {
    parts.push(part);
    // A day that was read already, and a month before this one.
    if (part.kind === "usage" && part.usage.day === "2026-08-31") {
      await spend(tenant, day("2026-08-03T18:00:00"), USD / 2n);
      await spend(tenant, day("2026-07-31T18:00:00"), USD / 4n);
    }
  }
  expect(parts.map(({ kind }) => kind)).toEqual(["opening", "movement", "usage", "usage", "later", "closing"]);
  expect(parts.at(-2)).toEqual({ kind: "later", amountNusd: (-3n * USD) / 4n });
  expect(parts.at(-1)).toEqual({ kind: "closing", balanceNusd: 13_249_999_999n, isProved: true });
  expect(await statementOf(tenant, "2026-08")).toMatchObject({
    opening_balance: "-0.25",
    closing_balance: "13.249999999",
  });
});

test("books that don't add up are told in the statement", async () => {
  const tenant = await twoMonths();
  await env.DB.prepare("UPDATE balances SET balance_nusd = balance_nusd + 1 WHERE account = ?")
    .bind(`tenant:${tenant.id}`)
    .run();
  expect(await statementOf(tenant, "2026-08")).toMatchObject({ closing_balance: "13.999999999", is_proved: false });
});

test("a month of twenty thousand lines and more than nine million dollars is streamed, exactly", async () => {
  const tenant = await newTenant();
  await env.DB.prepare(
    `INSERT INTO usage_days SELECT ?1, printf('2026-08-%02d', 1 + n % 31), 'k', 'model-' || n, 'p', 1, 0, 1, 1, 0, 9007199254740991, 9007199254740991
     FROM (WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 999) SELECT n FROM c)`,
  )
    .bind(tenant.id)
    .run();
  await env.DB.prepare(
    `INSERT INTO usage_days SELECT ?1, printf('2026-08-%02d', 1 + n % 31), 'l', 'model-' || n, 'p', 1, 0, 1, 1, 0, 1, 1
     FROM (WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 18999) SELECT n FROM c)`,
  )
    .bind(tenant.id)
    .run();
  const response = await exports.default.fetch(
    new Request("https://waypost.test/v1/credits/statement?month=2026-08&format=csv", {
      headers: { Authorization: `Bearer ${tenant.managementKey}` },
    }),
  );
  let chunks = 0;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    chunks += 1;
    text += decoder.decode(chunk, { stream: true });
  }
  expect(chunks).toBeGreaterThan(50);
  const rows = cellsOf(text);
  expect(rows).toHaveLength(1 + 1 + 20_000 + 1);
  expect(rows.at(-1)?.at(-1)).toBe("-9007199254.74101");
});
