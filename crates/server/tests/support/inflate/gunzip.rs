//! A strict decoder of one gzip member (RFC 1952) that returns each flush at once.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::take;

/// A decoder of a gzip body. It panics at whatever a receiver could not decode.
pub(crate) struct Gunzip {
    stage: Stage,
    inflate: Decompress,
    crc: Crc,
}

enum Stage {
    Header(Vec<u8>),
    Blocks,
    Trailer(Vec<u8>),
    Complete,
}

const HEADER: usize = 10;
const TRAILER: usize = 8;

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Header(Vec::new()), inflate: Decompress::new(false), crc: Crc::new() }
    }

    /// Appends to `out` everything that can be decoded.
    pub(crate) fn decode(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            match &mut self.stage {
                Stage::Header(header) => {
                    if take(&mut input, header, HEADER) {
                        let first = [0x1f, 0x8b, 8, 0];
                        assert_eq!(header[..4], first, "the header of the gzip body");
                        self.stage = Stage::Blocks;
                    }
                }
                Stage::Blocks => {
                    let before = out.len();
                    let ends = inflate(&mut self.inflate, &mut input, out);
                    self.crc.update(&out[before..]);
                    if ends {
                        self.stage = Stage::Trailer(Vec::new());
                    }
                }
                Stage::Trailer(trailer) => {
                    if take(&mut input, trailer, TRAILER) {
                        let number =
                            |at| u32::from_le_bytes(trailer[at..at + 4].try_into().unwrap());
                        assert_eq!(number(0), self.crc.sum(), "the checksum of the gzip body");
                        assert_eq!(number(4), self.crc.amount(), "the length of the gzip body");
                        self.stage = Stage::Complete;
                    }
                }
                Stage::Complete => panic!("{} bytes after the gzip body", input.len()),
            }
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete)
    }

    /// Decodes a whole body.
    pub(crate) fn whole(body: &[u8]) -> Vec<u8> {
        let (mut gunzip, mut plain) = (Self::new(), Vec::new());
        gunzip.decode(body, &mut plain);
        assert!(gunzip.is_complete(), "the gzip body is not complete");
        plain
    }
}

/// Inflates all of the input, up to the last block. Returns `true` after that.
pub(super) fn inflate(inflate: &mut Decompress, input: &mut &[u8], out: &mut Vec<u8>) -> bool {
    loop {
        out.reserve(16 << 10);
        let before = inflate.total_in();
        let status = inflate.decompress_vec(input, out, FlushDecompress::Sync);
        let taken = (inflate.total_in() - before) as usize;
        *input = &input[taken..];
        match status.unwrap_or_else(|error| panic!("it cannot be inflated: {error}")) {
            Status::StreamEnd => return true,
            // There may be more output.
            _ if out.len() == out.capacity() => {}
            _ if input.is_empty() => return false,
            _ => assert!(taken > 0, "it is not inflated to its end"),
        }
    }
}
