/** The production bundle with counters (counting.ts) around its exports, as a bundle of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import os from "node:os";
import path from "node:path";
import { build } from "../../src/cli/build.ts";
import { BUNDLE } from "../../src/cli/paths.ts";

/** Builds what is not built. Throws a sentence when the bundle is not what is expected. @returns the file's path. */
export async function countedBundle(): Promise<string> {
  const built = await build();
  if (!built.ok) throw new Error(built.error);
  const counting = readFileSync(path.join(import.meta.dirname, "counting.ts"), "utf8");
  const counters = stripTypeScriptTypes(counting).replaceAll(/^export /gm, "");
  const bundle = readFileSync(BUNDLE, "utf8");
  const exported = /export \{([^}]*)\};?\s*(?:\/\*[^]*?\*\/\s*)*(?:\/\/# sourceMappingURL=.*\s*)?$/.exec(bundle);
  // Behind them come only licences and the map's name.
  if (exported === null) throw new Error("the bundle does not end in its exports");
  const names = new Map(
    (exported[1] ?? "")
      .split(",")
      .map((part) => part.trim().split(/\s+as\s+/))
      .map(([local = "", name = local]) => [name, local]),
  );
  const classes = [...names].filter(([name]) => name !== "default");
  const wrapped = [
    bundle.slice(0, exported.index),
    `const countedBundle = (() => {\n${counters}\nreturn countBundle(${names.get("default")}, {${classes
      .map(([name, local]) => `${name}: ${local}`)
      .join(", ")}});\n})();`,
    "export default countedBundle.entry;",
    ...classes.map(([name]) => `const counted${name} = countedBundle.classes.${name};`),
    `export { ${classes.map(([name]) => `counted${name} as ${name}`).join(", ")} };`,
  ].join("\n");
  const directory = mkdtempSync(path.join(os.tmpdir(), "waypost-bench-counted-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, "worker.js");
  writeFileSync(file, wrapped);
  return file;
}
