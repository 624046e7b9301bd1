//! Buffers without unused capacity.

use bytes::Bytes;

/// The unused capacity, in bytes, up to which a buffer is not reallocated.
const SPARE: usize = 64;

/// Converts a buffer into [`Bytes`] without unused capacity, except for at most 64 bytes.
///
/// A buffer that has grown can have twice the capacity that it needs. This matters for bytes that are kept for long.
pub fn fitted(mut buffer: Vec<u8>) -> Bytes {
    if buffer.capacity() - buffer.len() > SPARE {
        buffer.shrink_to_fit();
    }
    Bytes::from(buffer)
}
