import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Returns the blocks of TypeScript. A block without an import continues the previous one. */
function programs(path) {
  const blocks = readFileSync(at(path), "utf8").matchAll(/^```[jt]s\n(.*?)^```/gms);
  return [...blocks].reduce((programs, [, block]) => {
    if (block.includes("import ")) programs.push("");
    programs[programs.length - 1] += block;
    return programs;
  }, []);
}

for (const readme of ["../README.md", "../../../README.md"]) {
  test(`the programs in ${readme} compile`, () => {
    const folder = at("../../node_modules/.readme");
    mkdirSync(folder, { recursive: true });
    const found = programs(readme);
    assert.ok(found.length > 0);
    const files = found.map((program, at) => {
      const file = `${folder}/${at}.ts`;
      writeFileSync(file, program);
      return file;
    });
    const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"];
    const tsc = at("../../node_modules/.bin/tsc");
    try {
      execFileSync(tsc, [...options, "--lib", "es2022,dom,dom.asynciterable", "--types", "node", ...files], { timeout: 120_000 });
    } catch (error) {
      assert.fail(String(error.stdout));
    }
  });
}
