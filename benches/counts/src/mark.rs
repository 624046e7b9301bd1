//! Marks the beginning and the end of counting.

use std::hint::black_box;

/// Must be called once before the counted work and once after it, on the same thread. Callgrind starts a new part of
/// its output whenever this function is entered, so the part between the two calls has the count.
///
/// The option `--toggle-collect` would be enough for one function, but not for the passes of a lane, which run on the
/// server's thread.
#[inline(never)]
pub fn mark() {
    black_box("mark");
}
