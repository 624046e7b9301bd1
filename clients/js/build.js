// Bundles the client into one file that pages load as it is, and the same as a CommonJS module. The hub serves the
// first one, so it is committed in the crate of the hub's page: the same sources have to give the same bytes.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { writeIfChanged } from "../write-if-changed.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Properties that only the client itself uses, which get short names. None of them may be a name of the language, of
 * the browser, of an option, or of what a hub sends: the tests run what this makes. */
const INTERNAL = `address better betterIn blocks check current cuts delay ended failed hear hold how listener names opened
  options place polls publication release reset restart retry room run sleep stay subscription take url usual wake`;

/** The parts of the types that the package exports. */
const TYPES = ["index", "types", "rejection"];

await bundle("esm", "dist/index.js");
await bundle("cjs", "dist/index.cjs");
for (const name of TYPES) {
  const types = await readFile(here(`dist/${name}.d.ts`), "utf8");
  await writeFile(here(`dist/${name}.d.cts`), types.replaceAll('.js"', '.cjs"'));
}
await writeIfChanged(here("../../crates/live-page/built/client.js"), await readFile(here("dist/index.js")));

async function bundle(format, file) {
  const { outputFiles } = await build({
    entryPoints: [here("src/index.ts")],
    bundle: true,
    minify: true,
    mangleProps: new RegExp(`^(${INTERNAL.split(/\s+/).join("|")})$`),
    format,
    target: "es2022",
    write: false,
  });
  // After esbuild it still finds some 100 bytes of those that are left after gzip.
  const { code } = await minify(outputFiles[0].text, { module: true, ecma: 2022, compress: { passes: 3, pure_getters: true, unsafe: true } });
  await writeFile(here(file), `${code}\n`);
}
