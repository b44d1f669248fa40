/**
 * `npm run test:contract -- <file>`: asks a real server in front of aimock every kind of question and holds each answer
 * against the OpenAPI file. Prints every operation with its counts and faults, what the file does not describe, and what
 * it describes that is not here yet. Exit code 1 when an answer breaks the contract or an operation was not proved.
 */
import path from "node:path";
import * as z from "zod";
import { serve } from "../e2e/serve.ts";
import { makeTenant } from "../e2e/tenant.ts";
import { startAimockUpstream } from "../e2e/upstream-aimock.ts";
import { type Asker, createAsker } from "./openapi-asker.ts";
import { type Contract, readContract } from "./openapi-contract.ts";
import { probe } from "./openapi-probes.ts";
import { probePresets } from "./preset-probes.ts";
import { probeTasks } from "./task-probes.ts";

const OwnDocument = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

async function main(file: string | undefined): Promise<number> {
  if (file === undefined) {
    console.error("Usage: npm run test:contract -- <path of an OpenAPI 3.1 file, YAML or JSON>");
    return 2;
  }
  // npm runs scripts in the checkout; a relative path is meant from where the caller is.
  const contract = readContract(path.resolve(process.env["INIT_CWD"] ?? process.cwd(), file));
  const upstream = await startAimockUpstream();
  const server = await serve({ env: upstream.env });
  try {
    const ask = createAsker(server, contract);
    const document = await fetch(`${server.apiBase}/openapi.json`);
    const { paths } = OwnDocument.parse(await document.json());
    const own = Object.entries(paths).flatMap(([route, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${route}`),
    );
    const tenant = await makeTenant(server, "10");
    await probePresets(ask, tenant);
    await probe(ask, server, tenant);
    await probeTasks(ask, tenant);
    return report(contract, ask, own);
  } finally {
    await server.stop();
    await upstream.stop();
  }
}

/** @returns the exit code. */
function report(contract: Contract, ask: Asker, own: readonly string[]): number {
  const described = contract.operations.filter((operation) => own.includes(operation));
  let failed = 0;
  for (const operation of new Set([...described, ...ask.tallies.keys()])) {
    const { bodies, chunks, failures } = ask.tallies.get(operation) ?? { bodies: 0, chunks: 0, failures: [] };
    const isProved = failures.length === 0 && bodies + chunks > 0;
    if (!isProved) failed++;
    const streamed = chunks === 0 ? "" : ` and ${chunks} chunks`;
    console.log(`${isProved ? "ok  " : "FAIL"} ${operation}: ${bodies} bodies${streamed} validated`);
    for (const failure of failures) console.log(`       ${failure}`);
  }
  list("Answers that the file does not describe", [...ask.undescribed]);
  list("Operations of ours that the file does not describe", without(own, contract.operations));
  list("Operations of the file that are not here", without(contract.operations, own));
  console.log(`${described.length} operations are in both; ${failed} failed.`);
  return failed === 0 ? 0 : 1;
}

function list(title: string, names: readonly string[]): void {
  console.log(`${title} (${names.length}):${names.map((name) => `\n     ${name}`).join("")}`);
}

function without(names: readonly string[], others: readonly string[]): readonly string[] {
  return names.filter((name) => !others.includes(name)).toSorted();
}

process.exitCode = await main(process.argv[2]);
