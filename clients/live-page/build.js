// Bundles the page into the crate that serves it. The bundle is committed, so that the server builds without Node. The
// same sources must give the same bytes.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { writeIfChanged } from "../write-if-changed.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const built = here("../../crates/live-page/built/");

await bundle({
  entryPoints: { page: here("src/main.ts") },
  format: "esm",
  target: "es2022",
  banner: { js: "/*! Contains uPlot, Copyright (c) Leon Sorokin, MIT licence: https://github.com/leeoniya/uPlot */" },
});
await bundle({
  entryPoints: { page: here("style.css") },
  target: ["chrome120", "firefox121", "safari17.2"],
});
await writeIfChanged(`${built}index.html`, await readFile(here("index.html")));

async function bundle(options) {
  const { outputFiles } = await build({ ...options, outdir: built, bundle: true, minify: true, write: false });
  for (const { path, contents } of outputFiles) await writeIfChanged(path, contents);
}
