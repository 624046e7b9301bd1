/** A part of the client that the package does not export, for tests of its own. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export async function internal(name) {
  const entryPoints = [fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: "esm", target: "es2022", write: false });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
