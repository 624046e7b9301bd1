//! Buffers without room to spare.

use bytes::Bytes;

/// Room that is not worth moving a buffer for.
const SPARE: usize = 64;

/// The bytes of a buffer that was filled by growing, without the room that it has left: what is kept for long or
/// for many must not take twice its length.
pub fn fitted(mut buffer: Vec<u8>) -> Bytes {
    if buffer.capacity() - buffer.len() > SPARE {
        buffer.shrink_to_fit();
    }
    Bytes::from(buffer)
}
