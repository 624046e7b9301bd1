//! Inflating what a server has compressed (RFC 1951).
//!
//! The streams of most clients are the same, byte for byte. So the load keeps the parts of all streams in a tree, in
//! which a stream is a path and a client has a place. A part that another client has received at the same place is
//! compared and not inflated again. A client whose stream continues in another way begins a branch, with its own
//! decoder.
//!
//! Event streams of our server begin with text for one client, in a stored block (RFC 1951, section 3.2.4). What all
//! clients are sent after it refers to nothing before. So after a stored block, a part is first inflated as the
//! beginning of a stream, and all clients continue on the same path. If zlib reports that this part or a later one
//! refers to text that is not on the path, the client gets a separate branch with its whole history.
//!
//! This is exact, because what a part inflates to depends only on the text to which it refers. A decoder takes about
//! 40 KB and, with thousands of them, several microseconds for each part, because each has its own memory. So the load
//! would be the bottleneck if each client had one.

use std::collections::BTreeMap;

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
    /// The parts that have followed it, by their compressed bytes.
    after: BTreeMap<Box<[u8]>, u32>,
    /// `true` if it consists of stored blocks without a tail.
    is_stored: bool,
    /// `true` if the next part does not continue an incomplete stamp at its end.
    is_cut: bool,
    /// The incomplete stamp before it, with this length, and what it inflates to.
    text: Box<[u8]>,
    carried: usize,
    /// The length of the text without an incomplete stamp at its end.
    used: usize,
    /// `true` if it ends the stream.
    is_end: bool,
    /// The decoder after this part, until a deflated part follows. `None` after stored blocks, because the next part
    /// rarely needs it.
    decoder: Option<Box<Decompress>>,
}

/// The place of a client in its stream.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The index of the last part that it has received.
    part: u32,
    /// The ends of the paths that it has received before the path of that part.
    earlier: Vec<u32>,
}

impl Place {
    /// Receives the next part of the stream and records the stamps in it. `tail` ends the part and is not sent, if
    /// there is one. Parts end between two blocks. Returns `true` at the end of the stream.
    ///
    /// # Errors
    /// Fails if the bytes cannot be inflated.
    pub(super) fn take(
        &mut self,
        compressed: &[u8],
        tail: &[u8],
        inbox: &mut Inbox<'_>,
    ) -> Result<bool, Gone> {
        self.advance(inbox.inflation, compressed, tail)?;
        let inflation = &mut *inbox.inflation;
        let index = self.part as usize;
        let text = std::mem::take(&mut inflation.parts[index].text);
        let used = inbox.scan(&text);
        let part = &mut inbox.inflation.parts[index];
        (part.text, part.used) = (text, used);
        Ok(part.is_end)
    }

    /// Moves to the next part of the stream.
    fn advance(
        &mut self,
        inflation: &mut Inflation,
        compressed: &[u8],
        tail: &[u8],
    ) -> Result<(), Gone> {
        if let Some(part) = inflation.find(self.part, compressed, !tail.is_empty()) {
            self.part = part;
            return Ok(());
        }
        if inflation.can_begin_after(self.part)
            && let Ok(part) = inflation.find_or_append(0, compressed, tail)
        {
            self.earlier.push(self.part);
            self.part = part;
            return Ok(());
        }
        let appended = inflation.append(self.part, compressed, tail);
        self.part = match appended {
            Err(_) if !self.earlier.is_empty() => {
                let history = inflation.branch(self);
                self.earlier.clear();
                inflation.append(history, compressed, tail)?
            }
            appended => appended?,
        };
        Ok(())
    }
}

impl Inflation {
    /// The part that has these bytes and follows the part `before`.
    fn find(&self, before: u32, compressed: &[u8], is_cut: bool) -> Option<u32> {
        let index = *self.parts.get(before as usize)?.after.get(compressed)?;
        (self.parts[index as usize].is_cut == is_cut).then_some(index)
    }

    /// Returns `true` if this part has stored text that does not end within a stamp, so that the next part may be
    /// inflated as the beginning of a stream.
    fn can_begin_after(&self, index: u32) -> bool {
        let part = self.parts.get(index as usize);
        part.is_some_and(|part| part.is_stored && part.used == part.text.len())
    }

    /// Finds a part, or appends it. Returns its index.
    fn find_or_append(&mut self, before: u32, compressed: &[u8], tail: &[u8]) -> Result<u32, Gone> {
        match self.find(before, compressed, !tail.is_empty()) {
            Some(part) => Ok(part),
            None => self.append(before, compressed, tail),
        }
    }

    /// Inflates a part that follows the part `before`. Returns its index.
    fn append(&mut self, before: u32, compressed: &[u8], tail: &[u8]) -> Result<u32, Gone> {
        if self.parts.is_empty() {
            self.parts.push(Part::default());
        }
        let is_stored = tail.is_empty() && is_stored(compressed);
        let mut decoder = match is_stored {
            // It has no references, so the decoder remains for the other clients.
            true => Box::new(Decompress::new(false)),
            false => self.decoder(before)?,
        };
        let Part { text, used, is_cut, .. } = &self.parts[before as usize];
        let mut text = if *is_cut { Vec::new() } else { text[*used..].to_vec() };
        let carried = text.len();
        let mut is_end = inflate(&mut decoder, compressed, &mut text)?;
        is_end |= inflate(&mut decoder, tail, &mut text)?;
        let index = self.parts.len() as u32;
        self.parts[before as usize].after.insert(compressed.into(), index);
        self.parts.push(Part {
            before,
            after: BTreeMap::new(),
            is_stored,
            is_cut: !tail.is_empty(),
            used: text.len(),
            text: text.into(),
            carried,
            is_end,
            decoder: (!is_stored).then_some(decoder),
        });
        Ok(index)
    }

    /// The decoder after this part. If another stream has continued with it, a new one is made from the text before.
    fn decoder(&mut self, index: u32) -> Result<Box<Decompress>, Gone> {
        if let Some(decoder) = self.parts[index as usize].decoder.take() {
            return Ok(decoder);
        }
        let window = self.window(&[], index);
        let mut decoder = Box::new(Decompress::new(false));
        if !window.is_empty() {
            decoder.set_dictionary(&window).map_err(|_| NOT_DEFLATED)?;
        }
        Ok(decoder)
    }

    /// Begins a branch with the whole history of a client, which no other client shares.
    fn branch(&mut self, place: &Place) -> u32 {
        let text = self.window(&place.earlier, place.part);
        let last = &self.parts[place.part as usize];
        let used = text.len() - (last.text.len() - last.used);
        self.parts.push(Part { text: text.into(), used, ..Part::default() });
        self.parts.len() as u32 - 1
    }

    /// The text to which the next part can refer, after the path that ends at `end` and those before it.
    fn window(&self, earlier: &[u32], end: u32) -> Vec<u8> {
        let (mut texts, mut length) = (Vec::new(), 0);
        for mut at in [end].iter().chain(earlier.iter().rev()).copied() {
            while at != 0 && length < WINDOW {
                let Part { before, text, carried, .. } = &self.parts[at as usize];
                texts.push(&text[*carried..]);
                length += text.len() - carried;
                at = *before;
            }
        }
        texts.reverse();
        let mut text = texts.concat();
        text.split_off(text.len().saturating_sub(WINDOW))
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
        let received = then(&content, inbox);
        inbox.inflation.content = content;
        received
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

/// Returns `true` for stored blocks of which none is the last one of the stream (RFC 1951, section 3.2.4).
fn is_stored(mut bytes: &[u8]) -> bool {
    while let [head, low, high, _, _, rest @ ..] = bytes
        && head & 0b111 == 0
        && let Some(rest) = rest.get(usize::from(u16::from_le_bytes([*low, *high]))..)
    {
        bytes = rest;
    }
    bytes.is_empty()
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
mod tests;
