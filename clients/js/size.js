/** Prints the size of the client in bytes: the file of the package that a server serves, compressed by gzip. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 5_000;

const size = gzipSync(readFileSync(new URL("dist/index.js", import.meta.url)), { level: 9 }).length;
console.log(`${size} bytes minified and gzipped, of ${LIMIT}`);
if (size >= LIMIT) process.exitCode = 1;
