//! Inflating what a server has compressed (RFC 1951).
//!
//! A stream of events or messages refers to its last 32 KiB, so each client of one has its own [`Inflater`], which takes
//! about 40 KB. Responses to polls are independent of each other, so all clients share one.

use flate2::{Decompress, FlushDecompress, Status};

use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The most bytes that are inflated at a time.
const OUTPUT: usize = 16 * 1024;

/// The head of a gzip member without optional fields (RFC 1952, section 2.3).
pub(super) const GZIP_HEAD: usize = 10;

/// What all connections of a load share.
#[derive(Debug, Default)]
pub(crate) struct Inflation {
    /// The buffer for inflated bytes.
    output: Vec<u8>,
    /// Inflates whole responses.
    whole: Option<Decompress>,
}

/// Inflates a stream, whose parts are not independent of each other.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    /// An incomplete stamp at the end of the inflated bytes. Takes no memory while there is none.
    rest: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { stream: Decompress::new(false), rest: Vec::new() }
    }
}

impl Inflater {
    /// Inflates the next bytes of the stream and records the stamps in them. Returns `true` at the end of the stream.
    ///
    /// # Errors
    /// Fails if the bytes are not deflated.
    pub(super) fn take(&mut self, mut input: &[u8], inbox: &mut Inbox<'_>) -> Result<bool, Gone> {
        let mut output = std::mem::take(&mut inbox.inflation.output);
        output.resize(OUTPUT, 0);
        let mut kept = self.rest.len();
        output[..kept].copy_from_slice(&self.rest);
        self.rest.clear();
        let is_end = loop {
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let inflated =
                self.stream.decompress(input, &mut output[kept..], FlushDecompress::None);
            let status = inflated.map_err(|_| NOT_DEFLATED)?;
            input = &input[(self.stream.total_in() - read) as usize..];
            let length = kept + (self.stream.total_out() - written) as usize;
            let used = inbox.scan(&output[..length]);
            output.copy_within(used..length, 0);
            kept = length - used;
            // If the output is not full, it contains everything that the input yields.
            if status == Status::StreamEnd || length < OUTPUT {
                break status == Status::StreamEnd;
            }
        };
        self.rest.extend_from_slice(&output[..kept]);
        inbox.inflation.output = output;
        Ok(is_end)
    }

    /// Forgets an incomplete stamp, which the next part of the stream does not continue.
    pub(super) fn cut(&mut self) {
        self.rest = Vec::new();
    }
}

impl Inflation {
    /// Inflates a whole gzip member and passes its content to `then`.
    ///
    /// # Errors
    /// Fails if the bytes are not a whole member.
    pub(super) fn member(
        inbox: &mut Inbox<'_>,
        member: &[u8],
        then: impl FnOnce(&[u8], &mut Inbox<'_>) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        let head = member.get(..GZIP_HEAD).ok_or(NOT_DEFLATED)?;
        check_gzip(head)?;
        let mut output = std::mem::take(&mut inbox.inflation.output);
        output.clear();
        let stream = inbox.inflation.whole.get_or_insert_with(|| Decompress::new(false));
        stream.reset(false);
        loop {
            output.reserve(OUTPUT);
            let input = &member[GZIP_HEAD + stream.total_in() as usize..];
            let before = (stream.total_in(), stream.total_out());
            let inflated = stream.decompress_vec(input, &mut output, FlushDecompress::None);
            if inflated.map_err(|_| NOT_DEFLATED)? == Status::StreamEnd {
                break;
            }
            if before == (stream.total_in(), stream.total_out()) {
                return Err(NOT_DEFLATED);
            }
        }
        then(&output, inbox)?;
        inbox.inflation.output = output;
        Ok(())
    }
}

const NOT_DEFLATED: Gone =
    Gone::Invalid("the server sent compressed bytes that cannot be inflated");

/// Checks the head of a gzip member.
///
/// # Errors
/// Fails if it is the head of something else, or has optional fields.
pub(super) fn check_gzip(head: &[u8]) -> Result<(), Gone> {
    match head {
        [0x1f, 0x8b, 8, 0, ..] => Ok(()),
        _ => {
            Err(Gone::Invalid("the server sent a gzip head of a form that the load does not read"))
        }
    }
}
