//! The contexts of deflate, and their limit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::{Compress, Compression, FlushCompress};

/// The level of compression. With zlib-rs, level 1 costs a tenth of level 6, and its output is 7 % larger (215 bytes
/// of JSON: 0.6 µs and 51 bytes, 5.5 µs and 47 bytes).
const LEVEL: Compression = Compression::fast();

/// Counts the contexts that are in use.
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    limit: usize,
    used: Arc<AtomicUsize>,
}

/// A context of deflate: the last bytes of a stream, and an index of them.
pub(super) struct Context {
    deflate: Compress,
    used: Arc<AtomicUsize>,
}

impl Contexts {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: Arc::default() }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Creates a context whose history has at most 2 to the power of `window_bits` bytes. `None` if the limit is
    /// reached.
    pub(super) fn create(&self, window_bits: u8) -> Option<Context> {
        let more = |used| (used < self.limit).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let deflate = Compress::new_with_window_bits(LEVEL, false, window_bits);
        Some(Context { deflate, used: self.used.clone() })
    }
}

impl Context {
    /// Forgets the history.
    pub(super) fn reset(&mut self) {
        self.deflate.reset();
    }

    /// Appends the deflated bytes to `out`, up to a sync flush: they end with `00 00 ff ff` at a whole byte.
    pub(super) fn deflate(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        // The most is 9 bits for each byte, and the flush.
        out.reserve(plain.len() + plain.len() / 8 + 32);
        loop {
            let before = self.deflate.total_in();
            // This fails only if the context is invalid, which safe code cannot cause.
            let _ = self.deflate.compress_vec(plain, out, FlushCompress::Sync);
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(plain.len());
            plain = &plain[taken..];
            // A full buffer may lack a part of the flush.
            if out.len() < out.capacity() {
                return;
            }
            out.reserve(plain.len() + 32);
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
