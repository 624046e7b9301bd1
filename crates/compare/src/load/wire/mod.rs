//! The wire of each transport: what connections send, and how they find stamps and responses in what they receive.

pub(crate) mod http;
pub(crate) mod nats;
pub(crate) mod redis;
#[cfg(test)]
mod tests;
pub(crate) mod websocket;

use std::fmt::Debug;

use super::gone::Gone;
use super::inbox::Inbox;

/// As many notifications of a message queue as our server keeps by default.
const KEPT: u32 = 65_536;

/// The longest line or response that is waited for.
const LONGEST: usize = 4000;

/// Reads what one connection receives.
pub(crate) trait Reader: Debug {
    /// Takes the bytes of one read, wherever the reads cut them, and returns how many it has used. The rest comes again
    /// in front of the next read.
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone>;
}

/// Returns the first line without its end, and its length with it. Returns `None` if it is not complete.
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, Gone> {
    match memchr::memchr(b'\n', input) {
        Some(end) => Ok(Some((input[..end].trim_ascii_end(), end + 1))),
        None if input.len() > LONGEST => Err(Gone::Invalid("the server sent a line without end")),
        None => Ok(None),
    }
}
