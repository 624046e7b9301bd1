// Bundles the client and WebTransport each into one minified file that pages can load directly, and for Node into a
// module and a CommonJS module. Node prints the line of an uncaught error, so its files are not minified. The server
// serves the first files, so they are committed in the crate of the live page. The same sources must give the same bytes.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { writeIfChanged } from "../write-if-changed.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Properties that only the client itself uses. They get short names. None of them may be a name of the language, the
 * browser, an option or the protocol. The tests run the bundle, so they find such a mistake. */
const INTERNAL = `address better betterIn blocks changed check current cuts delay ended failed hold how listener names opened options
  place polls publication receive release reset restart retry room run sleep stay subscription take url usual wake`;

/** The parts of the types that the package exports. */
const TYPES = ["index", "types", "rejection", "webtransport"];

/** The short names of the properties. Both minified files need the same ones, because they call each other. */
let mangleCache = {};

// The client is first. The other file imports it, so that there is one class of rejections.
for (const name of ["index", "webtransport"]) {
  await writeFile(here(`dist/${name}.js`), await minified(name, "./index.js"));
  await writeFile(here(`dist/${name}.node.js`), await bundle(name, "./index.node.js", { format: "esm" }));
  await writeFile(here(`dist/${name}.cjs`), await bundle(name, "./index.cjs", { format: "cjs" }));
}
for (const name of TYPES) {
  const types = await readFile(here(`dist/${name}.d.ts`), "utf8");
  await writeFile(here(`dist/${name}.d.cts`), types.replaceAll('.js"', '.cjs"'));
}
const served = here("../../crates/live-page/built/");
await writeIfChanged(`${served}client.js`, await readFile(here("dist/index.js")));
await writeIfChanged(`${served}webtransport.js`, await minified("webtransport", "./client.js"));

/** Bundles `src/NAME.ts`. Any other file than the client imports the client as `client`. */
async function bundle(name, client, options) {
  const { outputFiles, mangleCache: names } = await build({
    entryPoints: [here(`src/${name}.ts`)],
    bundle: true,
    target: "es2022",
    write: false,
    plugins: name === "index" ? [] : [external("./rejection.js", client)],
    ...options,
  });
  mangleCache = names ?? mangleCache;
  return outputFiles[0].text;
}

/** Leaves the import of `path` in the bundle, as an import of `other`. */
function external(path, other) {
  const resolved = { path: other, external: true };
  return {
    name: "external",
    setup: (build) => build.onResolve({ filter: /./ }, (found) => (found.path === path ? resolved : undefined)),
  };
}

async function minified(name, client) {
  const mangleProps = new RegExp(`^(${INTERNAL.split(/\s+/).join("|")})$`);
  const text = await bundle(name, client, { format: "esm", minify: true, mangleProps, mangleCache });
  // terser saves about 100 more bytes after gzip.
  const { code } = await minify(text, { module: true, ecma: 2022, compress: { passes: 3, pure_getters: true, unsafe: true } });
  return `${code}\n`;
}
