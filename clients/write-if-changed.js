// Writes a file only if that changes it, so that cargo does not compile anew what includes it.

import { readFile, writeFile } from "node:fs/promises";

export async function writeIfChanged(path, contents) {
  const before = await readFile(path).catch(() => undefined);
  if (!before?.equals(Buffer.from(contents))) await writeFile(path, contents);
}
