/** Returns `true` if `id` is after `position`: a higher number of the same epoch, or an id of another epoch. */
export function isAhead(id: string, position = ""): boolean {
  const [epoch, seq] = id.split("-");
  const [of, at] = position.split("-");
  return epoch !== of || Number(seq) > Number(at);
}
