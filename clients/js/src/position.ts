/** Whether `id` lies ahead of `position`: behind another number of the same history, or in another history. */
export function isAhead(id: string, position: string | undefined): boolean {
  if (position === undefined) return true;
  const [epoch, seq] = split(id);
  const [of, at] = split(position);
  return epoch !== of || seq > at;
}

function split(id: string): [epoch: string, seq: number] {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash), Number(id.slice(dash + 1))];
}
