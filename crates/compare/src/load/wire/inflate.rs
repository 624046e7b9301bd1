//! Inflating what a server has compressed (RFC 1951).
//!
//! The streams of most clients are the same, byte for byte. So the load keeps the parts of all streams in a tree, in which
//! a stream is a path and a client has a place. A part that another client has received at the same place is compared and
//! not inflated again. A client whose stream continues in another way begins a branch, with its own decoder.
//!
//! This is exact, because what a part inflates to depends only on the parts before it. A decoder takes about 40 KB and,
//! with thousands of them, several microseconds for each part, because each has its own memory. So the load would be the
//! bottleneck if each client had one.

use flate2::{Decompress, FlushDecompress, Status};

use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The bytes to which a stream can refer.
const WINDOW: usize = 32 * 1024;

/// The most bytes that are inflated at a time.
const OUTPUT: usize = 16 * 1024;

/// The head of a gzip member without optional fields (RFC 1952, section 2.3).
pub(super) const GZIP_HEAD: usize = 10;

/// Everything that was inflated. All connections of a load share it.
#[derive(Debug, Default)]
pub(crate) struct Inflation {
    /// The parts of all streams. The first one is empty and begins every stream.
    parts: Vec<Part>,
    /// The newest member that is not a stream, and its content.
    member: Vec<u8>,
    content: Vec<u8>,
}

/// A part of one or several streams.
#[derive(Debug, Default)]
struct Part {
    /// The part before it.
    before: u32,
    /// The parts that have followed it.
    after: Vec<u32>,
    compressed: Box<[u8]>,
    /// `true` if the next part does not continue an incomplete stamp at its end.
    is_cut: bool,
    /// The incomplete stamp before it, with this length, and what it inflates to.
    text: Box<[u8]>,
    carried: usize,
    /// The length of the text without an incomplete stamp at its end.
    used: usize,
    /// `true` if it ends the stream.
    is_end: bool,
    /// The decoder after this part, until a part follows.
    decoder: Option<Box<Decompress>>,
}

/// The place of a client in its stream.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The index of the last part that it has received.
    part: u32,
}

impl Place {
    /// Receives the next part of the stream and records the stamps in it. `tail` ends the part and is not sent, if there
    /// is one. Parts end between two blocks. Returns `true` at the end of the stream.
    ///
    /// # Errors
    /// Fails if the bytes cannot be inflated.
    pub(super) fn take(
        &mut self,
        compressed: &[u8],
        tail: &[u8],
        inbox: &mut Inbox<'_>,
    ) -> Result<bool, Gone> {
        let inflation = &mut *inbox.inflation;
        self.part = match inflation.find(self.part, compressed, !tail.is_empty()) {
            Some(part) => part,
            None => inflation.append(self.part, compressed, tail)?,
        };
        let index = self.part as usize;
        let text = std::mem::take(&mut inflation.parts[index].text);
        let used = inbox.scan(&text);
        let part = &mut inbox.inflation.parts[index];
        (part.text, part.used) = (text, used);
        Ok(part.is_end)
    }
}

impl Inflation {
    /// The part that has these bytes and follows the part `before`.
    fn find(&self, before: u32, compressed: &[u8], is_cut: bool) -> Option<u32> {
        let is_it = |index: &&u32| {
            let part = &self.parts[**index as usize];
            *part.compressed == *compressed && part.is_cut == is_cut
        };
        self.parts.get(before as usize)?.after.iter().find(is_it).copied()
    }

    /// Inflates a part that follows the part `before`. Returns its index.
    fn append(&mut self, before: u32, compressed: &[u8], tail: &[u8]) -> Result<u32, Gone> {
        if self.parts.is_empty() {
            self.parts.push(Part::default());
        }
        let mut decoder = self.decoder(before)?;
        let Part { text, used, is_cut, .. } = &self.parts[before as usize];
        let mut text = if *is_cut { Vec::new() } else { text[*used..].to_vec() };
        let carried = text.len();
        let mut is_end = inflate(&mut decoder, compressed, &mut text)?;
        is_end |= inflate(&mut decoder, tail, &mut text)?;
        let index = self.parts.len() as u32;
        self.parts[before as usize].after.push(index);
        self.parts.push(Part {
            before,
            after: Vec::new(),
            compressed: compressed.into(),
            is_cut: !tail.is_empty(),
            used: text.len(),
            text: text.into(),
            carried,
            is_end,
            decoder: Some(decoder),
        });
        Ok(index)
    }

    /// The decoder after this part. If another stream has continued with it, a new one is made from the text before.
    fn decoder(&mut self, index: u32) -> Result<Box<Decompress>, Gone> {
        if let Some(decoder) = self.parts[index as usize].decoder.take() {
            return Ok(decoder);
        }
        let (mut at, mut texts, mut length) = (index, Vec::new(), 0);
        while at != 0 && length < WINDOW {
            let Part { before, text, carried, .. } = &self.parts[at as usize];
            texts.push(&text[*carried..]);
            length += text.len() - carried;
            at = *before;
        }
        texts.reverse();
        let text = texts.concat();
        let window = &text[text.len().saturating_sub(WINDOW)..];
        let mut decoder = Box::new(Decompress::new(false));
        if !window.is_empty() {
            decoder.set_dictionary(window).map_err(|_| NOT_DEFLATED)?;
        }
        Ok(decoder)
    }

    /// Inflates a whole gzip member, which is not a part of a stream, and passes its content to `then`.
    ///
    /// # Errors
    /// Fails if the bytes are not a whole member.
    pub(super) fn member(
        inbox: &mut Inbox<'_>,
        member: &[u8],
        then: impl FnOnce(&[u8], &mut Inbox<'_>) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        let inflation = &mut *inbox.inflation;
        // Clients with the same position get the same response.
        if inflation.member != member {
            let (head, body) = member.split_at_checked(GZIP_HEAD).ok_or(NOT_DEFLATED)?;
            check_gzip(head)?;
            inflation.member.clear();
            inflation.content.clear();
            if !inflate(&mut Decompress::new(false), body, &mut inflation.content)? {
                return Err(NOT_DEFLATED);
            }
            inflation.member.extend_from_slice(member);
        }
        let content = std::mem::take(&mut inflation.content);
        then(&content, inbox)?;
        inbox.inflation.content = content;
        Ok(())
    }
}

/// Inflates everything and appends it to the output. Returns `true` at the end of the stream.
fn inflate(decoder: &mut Decompress, mut input: &[u8], output: &mut Vec<u8>) -> Result<bool, Gone> {
    while !input.is_empty() || output.len() == output.capacity() {
        output.reserve(OUTPUT);
        let before = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress_vec(input, output, FlushDecompress::None);
        if status.map_err(|_| NOT_DEFLATED)? == Status::StreamEnd {
            return Ok(true);
        }
        if before == (decoder.total_in(), decoder.total_out()) {
            break;
        }
        input = &input[(decoder.total_in() - before.0) as usize..];
    }
    if input.is_empty() { Ok(false) } else { Err(NOT_DEFLATED) }
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

#[cfg(test)]
mod tests {
    use super::super::tests::Deflated;
    use super::*;

    #[test]
    fn streams_share_parts_until_they_differ_and_refer_to_their_own_history() {
        let text = |number: u32| format!("the same words again and again {number} {}", number % 7);
        let mut inflation = Inflation::default();
        let mut receive = |place: &mut u32, stream: &mut Deflated, text: &str| {
            let part = stream.flush(text.as_bytes());
            let found = inflation.find(*place, &part, false);
            *place = found.unwrap_or_else(|| inflation.append(*place, &part, &[]).unwrap());
            assert_eq!(&*inflation.parts[*place as usize].text, text.as_bytes());
            found.is_some()
        };
        let (mut first, mut second) = (Deflated::default(), Deflated::default());
        let (mut one, mut two) = (0, 0);
        for number in 0..50 {
            assert!(!receive(&mut one, &mut first, &text(number)));
        }
        for number in 0..30 {
            assert!(receive(&mut two, &mut second, &text(number)));
        }
        // More than a window, so that the oldest text is left out.
        for number in 100..3_000 {
            assert!(!receive(&mut two, &mut second, &text(number)));
        }
        for number in 50..60 {
            assert!(!receive(&mut one, &mut first, &text(number)));
        }
        let decoders = inflation.parts.iter().filter(|part| part.decoder.is_some()).count();
        assert_eq!(decoders, 2);
    }

    #[test]
    fn a_branch_after_more_than_a_window_is_inflated() {
        let text = |number: u32| format!("{number} words that are repeated {}", number % 13);
        let mut inflation = Inflation::default();
        let (mut first, mut second) = (Deflated::default(), Deflated::default());
        let mut place = 0;
        for number in 0..3_000 {
            let part = first.flush(text(number).as_bytes());
            assert_eq!(part, second.flush(text(number).as_bytes()));
            place = inflation.append(place, &part, &[]).unwrap();
        }
        for (stream, number) in [(&mut first, 1), (&mut second, 2)] {
            let part = stream.flush(text(number).as_bytes());
            let index = inflation.append(place, &part, &[]).unwrap();
            assert_eq!(&*inflation.parts[index as usize].text, text(number).as_bytes());
        }
    }

    #[test]
    fn what_is_not_deflated_is_an_error() {
        let mut inflation = Inflation::default();
        assert!(inflation.append(0, b"\x07 is not a block", &[]).is_err());
        assert!(check_gzip(b"{\"cursor\":").is_err());
    }
}
