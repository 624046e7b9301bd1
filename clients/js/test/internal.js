/** Imports a part of the client that the package does not export, for its tests. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export async function internal(name) {
  const entryPoints = [fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: "esm", target: "es2022", write: false });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
