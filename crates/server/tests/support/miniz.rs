//! Inflates by miniz_oxide, which is not the library of the server.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// Decodes deflated bytes with the history of those before them.
pub(crate) struct Inflate {
    state: Box<InflateState>,
    /// The bytes of a gzip header that have not come yet.
    header: usize,
    has_ended: bool,
}

impl Inflate {
    /// For the messages of a WebSocket.
    pub(crate) fn new() -> Self {
        Self { state: InflateState::new_boxed(DataFormat::Raw), header: 0, has_ended: false }
    }

    /// For a body of gzip whose header has no optional parts (RFC 1952, section 2.3).
    pub(crate) fn gzip() -> Self {
        Self { header: 10, ..Self::new() }
    }

    /// Whether the last block has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Decodes the next bytes. Ignores those after the last block.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Vec<u8> {
        let header = self.header.min(bytes.len());
        self.header -= header;
        let mut bytes = &bytes[header..];
        let mut plain = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while !self.has_ended {
            let decoded = inflate(&mut self.state, bytes, &mut buffer, MZFlush::None);
            bytes = &bytes[decoded.bytes_consumed..];
            plain.extend_from_slice(&buffer[..decoded.bytes_written]);
            match decoded.status {
                Ok(MZStatus::StreamEnd) => self.has_ended = true,
                Ok(_) if decoded.bytes_written == buffer.len() || !bytes.is_empty() => {}
                // There is nothing to decode.
                Ok(_) | Err(MZError::Buf) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        plain
    }
}
