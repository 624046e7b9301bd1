//! Interprets the lines of an event stream.

use std::mem::take;
use std::time::Duration;

use tidings_core::{Header, Headers, MAX_TRACESTATE_BYTES};

use super::{Event, Item, TooLong};
use crate::field::field;

/// Interprets lines as comments, fields and the blank lines that end a block of fields.
#[derive(Debug)]
pub(super) struct Interpreter {
    limit: usize,
    block: Block,
    last_event_id: String,
}

/// The fields since the last blank line.
#[derive(Debug, Default)]
struct Block {
    event: String,
    topic: Option<String>,
    /// The headers, each at most once.
    headers: Vec<(Header, String)>,
    /// The data lines, joined by LF. `None` if there is none, which is different from an empty one.
    data: Option<Vec<u8>>,
    id: Option<String>,
}

impl Interpreter {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, block: Block::default(), last_event_id: String::new() }
    }

    pub(super) fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    pub(super) fn discard_block(&mut self) {
        self.block = Block::default();
    }

    /// Interprets a line, which has no line ending, and appends the item that it completes, if any. Fails if the data
    /// of the event is longer than the limit.
    pub(super) fn line(&mut self, line: &[u8], items: &mut Vec<Item>) -> Result<(), TooLong> {
        if line.is_empty() {
            items.extend(self.dispatch());
            return Ok(());
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => {
                let interval = line.strip_prefix(b":ping ").and_then(milliseconds);
                items.push(interval.map_or(Item::Comment, Item::Ping));
                return Ok(());
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match name {
            b"data" => self.data(value)?,
            b"event" => self.block.event = String::from_utf8_lossy(value).into_owned(),
            b"topic" => self.block.topic = Some(String::from_utf8_lossy(value).into_owned()),
            b"id" if !value.contains(&0) => {
                self.block.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => items.extend(milliseconds(value).map(Item::Retry)),
            _ => self.header(name, value),
        }
        Ok(())
    }

    /// Keeps the last value of a header, unless it is longer than any valid header.
    fn header(&mut self, name: &[u8], value: &[u8]) {
        let known = Header::ALL.iter().copied().find(|&header| field(header).as_bytes() == name);
        if let (Some(header), true) = (known, value.len() <= MAX_TRACESTATE_BYTES) {
            self.block.headers.retain(|(kept, _)| *kept != header);
            self.block.headers.push((header, String::from_utf8_lossy(value).into_owned()));
        }
    }

    fn data(&mut self, value: &[u8]) -> Result<(), TooLong> {
        match &mut self.block.data {
            None => self.block.data = Some(value.to_vec()),
            Some(data) => {
                TooLong::check(data.len() + 1 + value.len(), self.limit)?;
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// Ends the block. A block without data is not an event, but its id still becomes the last event id.
    fn dispatch(&mut self) -> Option<Item> {
        let Block { event, topic, headers, data, id } = take(&mut self.block);
        let has_id = id.is_some();
        if let Some(id) = id {
            self.last_event_id = id;
        }
        match data {
            Some(data) => Some(Item::Event(Event {
                event,
                topic,
                headers: Headers::lossy(headers),
                data: into_text(data),
                last_event_id: self.last_event_id.clone(),
            })),
            None => has_id.then(|| Item::Id(self.last_event_id.clone())),
        }
    }
}

/// Decodes text as the standard does: bytes that are not UTF-8 become U+FFFD.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Parses milliseconds in ASCII digits. `None` for anything else, which the standard ignores.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}
