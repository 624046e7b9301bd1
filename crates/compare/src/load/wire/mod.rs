//! The protocol of each transport: what connections send, and how stamps and responses are found in what they receive.

mod chunks;
pub(crate) mod dialogue;
pub(crate) mod gzip;
mod head;
pub(crate) mod header_polls;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod inflate;
pub(crate) mod nats;
pub(crate) mod redis;
pub(crate) mod rest;
#[cfg(test)]
mod tests;
pub(crate) mod websocket;

use std::fmt::Debug;

use self::head::Head;
use super::gone::Gone;
use super::inbox::Inbox;

/// The number of notifications that a message queue keeps. It is the default of our server.
const KEPT: u32 = 65_536;

/// The longest line or response in bytes.
const LONGEST: usize = 4000;

/// Reads what one connection receives.
pub(crate) trait Reader: Debug {
    /// Checks the head of the response before its content.
    ///
    /// # Errors
    /// Fails if the server does not compress the content although the client requires that.
    fn begin(&mut self, _head: &Head) -> Result<(), Gone> {
        Ok(())
    }

    /// The bytes to send after the head of the response, if the client is subscribed only once they are answered.
    fn opening(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Parses the bytes of one read, which may end anywhere, and returns how many it has used. The rest is passed again
    /// before the bytes of the next read.
    ///
    /// # Errors
    /// Fails if the server violates the protocol or reports an error.
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone>;

    /// The id of the notification that the last response is about. `None` for clients.
    fn last_id(&self) -> Option<&[u8]> {
        None
    }
}

/// The first line without its line end, and its length with the line end. `None` means that it is not complete.
///
/// # Errors
/// Fails if the line is longer than [`LONGEST`].
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, Gone> {
    match memchr::memchr(b'\n', input) {
        Some(end) => Ok(Some((input[..end].trim_ascii_end(), end + 1))),
        None if input.len() > LONGEST => Err(Gone::Invalid("the server sent an endless line")),
        None => Ok(None),
    }
}
