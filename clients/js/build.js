// Bundles the client into one minified file that pages can load directly, and for Node into a module and a CommonJS
// module. Node prints the line of an uncaught error, so its files are not minified. The server serves the first file, so
// it is committed in the crate of the live page. The same sources must give the same bytes.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { writeIfChanged } from "../write-if-changed.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Properties that only the client itself uses. They get short names. None of them may be a name of the language, the
 * browser, an option or the protocol. The tests run the bundle, so they find such a mistake. */
const INTERNAL = `address better betterIn blocks check current cuts delay ended failed hold how listener names opened options
  place polls publication receive release reset restart retry room run sleep stay subscription take url usual wake`;

/** The parts of the types that the package exports. */
const TYPES = ["index", "types", "rejection"];

await writeFile(here("dist/index.js"), await minified());
await writeFile(here("dist/index.node.js"), await bundle({ format: "esm" }));
await writeFile(here("dist/index.cjs"), await bundle({ format: "cjs" }));
for (const name of TYPES) {
  const types = await readFile(here(`dist/${name}.d.ts`), "utf8");
  await writeFile(here(`dist/${name}.d.cts`), types.replaceAll('.js"', '.cjs"'));
}
await writeIfChanged(here("../../crates/live-page/built/client.js"), await readFile(here("dist/index.js")));

async function bundle(options) {
  const entryPoints = [here("src/index.ts")];
  const { outputFiles } = await build({ entryPoints, bundle: true, target: "es2022", write: false, ...options });
  return outputFiles[0].text;
}

async function minified() {
  const mangleProps = new RegExp(`^(${INTERNAL.split(/\s+/).join("|")})$`);
  const text = await bundle({ format: "esm", minify: true, mangleProps });
  // terser saves about 100 more bytes after gzip.
  const { code } = await minify(text, { module: true, ecma: 2022, compress: { passes: 3, pure_getters: true, unsafe: true } });
  return `${code}\n`;
}
