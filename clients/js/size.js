/** Prints the sizes in bytes of the files that pages load, compressed by gzip. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMITS = { index: 5_000, webtransport: 1_000 };

for (const [name, limit] of Object.entries(LIMITS)) {
  const size = gzipSync(readFileSync(new URL(`dist/${name}.js`, import.meta.url)), { level: 9 }).length;
  console.log(`${name}.js: ${size} bytes minified and gzipped, of ${limit}`);
  if (size >= limit) process.exitCode = 1;
}
