//! The contexts of deflate, and their limit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::{Compress, Compression, FlushCompress};

/// The level of compression. It costs 5 to 18 times as much as level 1, and saves 4 % of the bytes of short
/// notifications and 30 % of those of long ones: see "What compression saves" in docs/performance.md.
const LEVEL: u32 = 6;

/// The binary logarithm of the window, in bytes. With 15 bits a context would take 371 KiB instead of 259, and save 1
/// to 7 % of the bytes. Clients that demand a smaller window could not share the stream.
const WINDOW_BITS: u8 = 12;

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

    /// Creates a context. `None` if the limit is reached.
    pub(super) fn create(&self) -> Option<Context> {
        let more = |used| (used < self.limit).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let deflate = Compress::new_with_window_bits(Compression::new(LEVEL), false, WINDOW_BITS);
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
