/** What the whole client adds to a page: minified by esbuild, compressed by gzip. */
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 5_000;

const { outputFiles } = await build({
  entryPoints: [new URL("dist/index.js", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(`${size} bytes minified and gzipped, of ${LIMIT}`);
if (size >= LIMIT) process.exitCode = 1;
