/** Milliseconds of a clock that is never set: it measures how long something took, and is not the time of day. */
export const now = (): number => performance.now();
