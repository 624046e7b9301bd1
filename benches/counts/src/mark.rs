//! Where counting begins and ends.

use std::hint::black_box;

/// Called once before what is to be counted and once after it, on the same thread. Callgrind starts a new part of its
/// output whenever this function is entered, so the part between the two calls is the count.
///
/// `--toggle-collect` would do for one function, but not for the passes of a lane, which begin and end on a thread of the
/// server's.
#[inline(never)]
pub fn mark() {
    black_box("mark");
}
