//! The gzip body of one client (RFC 1952).

use bytes::{BufMut, Bytes, BytesMut};

/// The header of a body: deflate, without a name and a time, from an unknown system (section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The most bytes of a stored block (RFC 1951, section 3.2.4).
const MAX_STORED: usize = 0xffff;

/// The gzip body of one client: what only this client is sent, and the checksum and the length of everything that it
/// was sent, before compression.
#[derive(Clone, Copy, Debug, Default)]
pub struct GzipBody {
    crc: u32,
    /// Modulo 2 to the power of 32, as the end of a body has it.
    length: u32,
}

impl GzipBody {
    /// Returns the beginning of the body: the header, and these bytes as stored blocks.
    pub fn begin(&mut self, plain: &[u8]) -> Bytes {
        self.record(plain);
        let mut out = BytesMut::from(&HEADER[..]);
        put_stored(&mut out, plain);
        out.freeze()
    }

    /// Records that the client is sent a chunk of a stream. `plain` are the bytes of the chunk before compression.
    pub fn record(&mut self, plain: &[u8]) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc);
        hasher.update(plain);
        self.crc = hasher.finalize();
        self.length = self.length.wrapping_add(plain.len() as u32);
    }

    /// Returns bytes that only this client is sent, as stored blocks. The client is not in sync after them, because
    /// they are not in the history of a stream.
    pub fn append(&mut self, plain: &[u8]) -> Bytes {
        self.record(plain);
        stored(plain)
    }

    /// Appends the end of the body to the last bytes of the client: an empty last block, the checksum and the length
    /// (RFC 1952, section 2.2).
    pub fn end(self, last: Bytes) -> Bytes {
        let mut all = BytesMut::from(last);
        all.put_slice(&[0x03, 0x00]);
        all.put_u32_le(self.crc);
        all.put_u32_le(self.length);
        all.freeze()
    }
}

/// Returns these bytes as stored blocks, which a receiver can read whatever it was sent before.
pub(super) fn stored(plain: &[u8]) -> Bytes {
    let blocks = plain.len().div_ceil(MAX_STORED);
    let mut out = BytesMut::with_capacity(plain.len() + 5 * blocks);
    put_stored(&mut out, plain);
    out.freeze()
}

fn put_stored(out: &mut BytesMut, plain: &[u8]) {
    for block in plain.chunks(MAX_STORED) {
        let length = block.len() as u16;
        out.put_u8(0);
        out.put_u16_le(length);
        out.put_u16_le(!length);
        out.put_slice(block);
    }
}
