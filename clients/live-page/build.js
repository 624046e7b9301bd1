// Bundles the page into the crate that serves it. What comes out is committed, so that the hub builds without Node:
// the same sources have to give the same bytes.

import { copyFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const built = here("../../crates/live-page/built/");

await build({
  entryPoints: { page: here("src/main.ts") },
  outdir: built,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  banner: { js: "/*! Contains uPlot, Copyright (c) Leon Sorokin, MIT licence: https://github.com/leeoniya/uPlot */" },
});
await build({
  entryPoints: { page: here("style.css") },
  outdir: built,
  bundle: true,
  minify: true,
  target: ["chrome120", "firefox121", "safari17.2"],
});
await copyFile(here("index.html"), `${built}index.html`);
