// The types as whoever writes with them meets them: what is right passes, what is wrong does not.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const source = readFileSync(at("types.ts"), "utf8");

/** What the compiler says of a text, in a folder that has the package. */
function compile(text) {
  const folder = mkdtempSync(join(tmpdir(), "michub-types-"));
  try {
    mkdirSync(join(folder, "node_modules/@michub"), { recursive: true });
    symlinkSync(at(".."), join(folder, "node_modules/@michub/client"));
    writeFileSync(join(folder, "types.ts"), text);
    execFileSync(process.execPath, [at("../node_modules/typescript/bin/tsc"), "--noEmit", "--ignoreConfig", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "types.ts"], { cwd: folder, encoding: "utf8" });
    return "";
  } catch (error) {
    return error.stdout || String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the example is right, and wrong just where it says so", () => assert.equal(compile(source), ""));

test("every mark is there for an error of its own", () => {
  const marks = source.match(/@ts-expect-error/g).length;
  const errors = new Set(compile(source.replaceAll("// @ts-expect-error", "//")).match(/^types\.ts\(\d+/gm));
  assert.equal(errors.size, marks);
});
