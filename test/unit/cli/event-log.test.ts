/** The event log keeps the worker's lines as they are and stays bounded. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFileLog } from "../../../src/cli/event-log.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "waypost-log-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("JSON lines of the worker are kept as they are, anything else becomes one", () => {
  const file = path.join(dir, "events.log");
  const log = createFileLog(file);
  log.write({ timestamp: 1, level: "log", message: '{"event":"request"}' });
  log.write({ timestamp: 2, level: "error", message: "two\nlines" });
  log.write({ timestamp: 3, level: "log", message: '{"event":"a"}\n{"event":"b"}' });
  log.flush();
  expect(readFileSync(file, "utf8")).toBe(
    '{"event":"request"}\n{"event":"runtime","level":"error","at_ms":2,"message":"two\\nlines"}\n{"event":"a"}\n{"event":"b"}\n',
  );
});

test("beyond 50 MiB the file steps aside, replacing the one before", () => {
  const file = path.join(dir, "events.log");
  writeFileSync(file, "");
  truncateSync(file, 50 * 1024 * 1024 + 1);
  writeFileSync(`${file}.1`, "older");
  const log = createFileLog(file);
  log.write({ timestamp: 1, level: "log", message: "{}" });
  log.flush();
  expect(readFileSync(file, "utf8")).toBe("{}\n");
  expect(statSync(`${file}.1`).size).toBe(50 * 1024 * 1024 + 1);
  expect(existsSync(`${file}.2`)).toBe(false);
});
