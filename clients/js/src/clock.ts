/** Returns milliseconds of a monotonic clock. It measures durations and is not the time of day. */
export const now = (): number => performance.now();
