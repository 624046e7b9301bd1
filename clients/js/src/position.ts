/** Whether `id` lies ahead of `position`: behind another number of the same history, or in another history. */
export function isAhead(id: string, position: string | undefined): boolean {
  const [, epoch, seq] = split(id);
  const [, of, at] = split(position);
  return epoch !== of || Number(seq) > Number(at);
}

const split = (id = ""): readonly string[] => /(.*)-(.*)/.exec(id) ?? [];
