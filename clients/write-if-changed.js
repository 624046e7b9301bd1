// Writes a file only if its contents change, so that cargo does not recompile crates that include it.

import { readFile, writeFile } from "node:fs/promises";

export async function writeIfChanged(path, contents) {
  const before = await readFile(path).catch(() => undefined);
  if (!before?.equals(Buffer.from(contents))) await writeFile(path, contents);
}
