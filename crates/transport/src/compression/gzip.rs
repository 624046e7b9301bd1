//! The parts of a gzip body (RFC 1952) that are the same for all clients or belong to one client.

use bytes::{BufMut, Bytes, BytesMut};

/// The header of a body: deflate, without a name and a time, from an unknown system (section 2.3).
pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The most bytes of a stored block (RFC 1951, section 3.2.4).
const MAX_STORED: usize = 0xffff;

/// The checksum and the length of everything that a client was sent, before compression.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    crc: u32,
    /// Modulo 2 to the power of 32, as the end of a body has it.
    length: u32,
}

impl Checksum {
    /// Adds bytes that the client is sent.
    pub fn add(&mut self, plain: &[u8]) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc);
        hasher.update(plain);
        self.crc = hasher.finalize();
        // The end of a body has the length modulo 2 to the power of 32.
        self.length = self.length.wrapping_add(plain.len() as u32);
    }

    /// Returns the end of the body: an empty last block, the checksum and the length (RFC 1952, section 2.2).
    pub fn end(self) -> Bytes {
        let mut end = BytesMut::with_capacity(10);
        end.put_slice(&[0x03, 0x00]);
        end.put_u32_le(self.crc);
        end.put_u32_le(self.length);
        end.freeze()
    }
}

/// Returns these bytes as stored blocks, which a receiver can read whatever it was sent before.
pub fn stored(plain: &[u8]) -> Bytes {
    let blocks = plain.len().div_ceil(MAX_STORED);
    let mut out = BytesMut::with_capacity(plain.len() + 5 * blocks);
    put_stored(&mut out, plain);
    out.freeze()
}

pub(super) fn put_stored(out: &mut BytesMut, plain: &[u8]) {
    for block in plain.chunks(MAX_STORED) {
        let length = block.len() as u16;
        out.put_u8(0);
        out.put_u16_le(length);
        out.put_u16_le(!length);
        out.put_slice(block);
    }
}

/// Returns the beginning of a body: the header and these bytes.
pub fn begin(plain: &[u8]) -> Bytes {
    let mut out = BytesMut::from(&HEADER[..]);
    put_stored(&mut out, plain);
    out.freeze()
}
