/** Returns `true` if `id` is after `position`: a higher number of the same epoch, or an id of another epoch. */
export function isAhead(id: string, position: string | undefined): boolean {
  const [, epoch, seq] = split(id);
  const [, of, at] = split(position);
  return epoch !== of || Number(seq) > Number(at);
}

const split = (id = ""): readonly string[] => /(.*)-(.*)/.exec(id) ?? [];
