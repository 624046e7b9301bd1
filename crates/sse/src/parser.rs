//! The event stream format, read in any cuts.

use std::mem::take;
use std::time::Duration;

use tidings_core::{Header, Headers, MAX_TRACESTATE_BYTES};

use crate::field::field;

/// The most bytes that a line, or the data of an event, may have: 16 MiB.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads an event stream as the HTML standard, section 9.2.6, interprets it. Also reads the fields that tidings adds:
/// `topic`, and the headers of a notification.
///
/// ```
/// use tidings_sse::{Item, Parser};
///
/// let mut items = Vec::new();
/// let mut parser = Parser::default();
/// parser.feed(b"id: e-7\nda", &mut items)?;
/// parser.feed(b"ta: hello\n\n", &mut items)?;
///
/// let [Item::Event(event)] = &items[..] else { panic!("there is one event") };
/// assert_eq!((event.data.as_str(), event.last_event_id.as_str()), ("hello", "e-7"));
/// # Ok::<(), tidings_sse::TooLong>(())
/// ```
///
/// Every byte is looked at once, whatever the cuts, and memory is bounded by twice the limit.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// The line that is not yet whole.
    line: Vec<u8>,
    /// The last line ended with CR, so an LF that follows belongs to it.
    after_cr: bool,
    /// No line is behind us, so a byte order mark may be before us.
    at_start: bool,
    failed: bool,
    block: Block,
    last_event_id: String,
}

/// What is said before the blank line that dispatches it.
#[derive(Debug, Default)]
struct Block {
    event: String,
    topic: Option<String>,
    /// The headers, each at most once.
    headers: Vec<(Header, String)>,
    /// The lines joined by LF; `None` where there is none, which is not the same as an empty one.
    data: Option<Vec<u8>>,
    id: Option<String>,
}

/// What an event stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event.
    Event(Event),
    /// A comment, which keeps a connection alive.
    Comment,
    /// A hub's comment `ping MILLISECONDS`: the time between two of its heartbeats.
    Ping(Duration),
    /// A block without data that moved the last event id to this and is no event.
    Id(String),
    /// After how long to reconnect.
    Retry(Duration),
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty means `message`.
    pub event: String,
    /// Its topic, where the stream tells it: a field of the hub's own.
    pub topic: Option<String>,
    /// The headers from the fields that tidings adds. The event name of a text event is not among them, because it is the
    /// type. A malformed header is left out.
    pub headers: Option<Headers>,
    /// Its data lines, joined by LF.
    pub data: String,
    /// The last event id that it or one before it gave; empty where there was none.
    pub last_event_id: String,
}

/// A line or an event is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The limit in bytes.
    pub limit: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT_BYTES)
    }
}

impl Parser {
    /// A parser that takes lines, and data of an event, of up to `limit` bytes each.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            failed: false,
            block: Block::default(),
            last_event_id: String::new(),
        }
    }

    /// The last event id, as of the last blank line; empty where there was none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Reads the next bytes of the stream and appends what they say. What is not yet followed by its blank
    /// line when the stream ends is to be forgotten, as the standard has it, so there is nothing to finish.
    ///
    /// # Errors
    /// [`TooLong`] where a limit is passed; from then on always.
    pub fn feed(&mut self, mut bytes: &[u8], items: &mut Vec<Item>) -> Result<(), TooLong> {
        if self.failed {
            return Err(TooLong { limit: self.limit });
        }
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, ending) = bytes.split_at(end);
            if self.line.is_empty() {
                self.take_line(line, items)?;
            } else {
                self.keep(line)?;
                let mut line = take(&mut self.line);
                self.take_line(&line, items)?;
                // A line is rarely cut, and almost never a long one: a small buffer is worth keeping.
                if line.capacity() <= 4096 {
                    line.clear();
                    self.line = line;
                }
            }
            bytes = match ending {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.keep(bytes)
    }

    /// Keeps the beginning of a line until the rest comes.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.within_limit(self.line.len() + bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn within_limit(&mut self, length: usize) -> Result<(), TooLong> {
        if length <= self.limit {
            return Ok(());
        }
        self.failed = true;
        self.line = Vec::new();
        self.block = Block::default();
        Err(TooLong { limit: self.limit })
    }

    fn take_line(&mut self, mut line: &[u8], items: &mut Vec<Item>) -> Result<(), TooLong> {
        self.within_limit(line.len())?;
        if take(&mut self.at_start) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
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
            b"data" => self.take_data(value)?,
            b"event" => self.block.event = String::from_utf8_lossy(value).into_owned(),
            b"topic" => self.block.topic = Some(String::from_utf8_lossy(value).into_owned()),
            b"id" if !value.contains(&0) => {
                self.block.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => items.extend(milliseconds(value).map(Item::Retry)),
            _ => self.take_header(name, value),
        }
        Ok(())
    }

    /// Keeps the last value of a header, unless it is longer than any valid header.
    fn take_header(&mut self, name: &[u8], value: &[u8]) {
        let known = Header::ALL.iter().copied().find(|&header| field(header).as_bytes() == name);
        if let (Some(header), true) = (known, value.len() <= MAX_TRACESTATE_BYTES) {
            self.block.headers.retain(|(kept, _)| *kept != header);
            self.block.headers.push((header, String::from_utf8_lossy(value).into_owned()));
        }
    }

    fn take_data(&mut self, value: &[u8]) -> Result<(), TooLong> {
        match &mut self.block.data {
            None => self.block.data = Some(value.to_vec()),
            Some(data) if data.len() + 1 + value.len() <= self.limit => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            Some(data) => {
                let length = data.len() + 1 + value.len();
                self.within_limit(length)?;
            }
        }
        Ok(())
    }

    /// The blank line. A block without data is no event, and still moves the last event id.
    fn dispatch(&mut self) -> Option<Item> {
        let Block { event, topic, headers, data, id } = take(&mut self.block);
        let moved = id.is_some();
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
            None => moved.then(|| Item::Id(self.last_event_id.clone())),
        }
    }
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a line or an event is longer than {} bytes", self.limit)
    }
}

impl std::error::Error for TooLong {}

/// Text as the standard decodes it: what is no UTF-8 becomes U+FFFD.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Milliseconds in ASCII digits; anything else is ignored.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// What one parser reads from these pieces.
    fn read<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Item>, bool) {
        let mut parser = Parser::with_limit(limit);
        let mut items = Vec::new();
        let mut is_fine = true;
        for piece in pieces {
            is_fine &= parser.feed(piece, &mut items).is_ok();
        }
        (items, is_fine)
    }

    fn items(stream: &str) -> Vec<Item> {
        read(MAX_EVENT_BYTES, [stream.as_bytes()]).0
    }

    fn event(event: &str, data: &str, id: &str) -> Item {
        Item::Event(Event {
            event: event.to_owned(),
            topic: None,
            headers: None,
            data: data.to_owned(),
            last_event_id: id.to_owned(),
        })
    }

    #[test]
    fn the_standards_examples_read_as_the_standard_says() {
        assert_eq!(items("data: YHOO\ndata: +2\ndata: 10\n\n"), [event("", "YHOO\n+2\n10", "")]);
        let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        let first = event("", "first event", "1");
        let rest = [event("", "second event", ""), event("", " third event", "")];
        assert_eq!(items(four)[..2], [Item::Comment, first]);
        assert_eq!(items(four)[2..], rest);
        // The last block has no blank line behind it and is forgotten.
        assert_eq!(items("data\n\ndata\ndata\n\ndata:"), [event("", "", ""), event("", "\n", "")]);
    }

    #[test]
    fn each_line_ending_ends_a_line_once() {
        for stream in ["data: a\ndata: b\n\n", "data: a\r\ndata: b\r\n\r\n", "data: a\rdata: b\r\r"]
        {
            assert_eq!(items(stream), [event("", "a\nb", "")], "{stream:?}");
        }
    }

    #[test]
    fn one_byte_order_mark_is_skipped_and_only_at_the_start() {
        assert_eq!(items("\u{feff}data: a\n\n"), [event("", "a", "")]);
        assert_eq!(items("\u{feff}\u{feff}data: a\n\n"), []);
        assert_eq!(items("\n\u{feff}data: a\n\n"), []);
    }

    #[test]
    fn an_id_stays_until_the_next_and_one_with_nul_is_none() {
        let stream = "id: 1\n\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n";
        let one = Item::Id("1".to_owned());
        let expected = [one, event("", "a", "1"), event("", "b", "1"), event("", "c", "")];
        assert_eq!(items(stream), expected);
    }

    #[test]
    fn a_type_is_for_one_event_and_an_event_without_data_is_none() {
        assert_eq!(items("event: gap\n\ndata: a\n\n"), [event("", "a", "")]);
        let twice = "event: x\nevent: gap\ndata: a\n\ndata: b\n\n";
        assert_eq!(items(twice), [event("gap", "a", ""), event("", "b", "")]);
    }

    #[test]
    fn a_topic_is_for_one_event() {
        let Item::Event(told) = event("", "a", "") else { unreachable!() };
        let told = Item::Event(Event { topic: Some("orders.new".to_owned()), ..told });
        assert_eq!(items("topic: orders.new\ndata: a\n\ndata: b\n\n"), [told, event("", "b", "")]);
    }

    #[test]
    fn headers_are_for_one_event_and_one_that_is_malformed_is_left_out() {
        let Item::Event(plain) = event("binary", "AP8=", "") else { unreachable!() };
        let headers = Headers::new().with_event("created").unwrap().with_time(8).unwrap();
        let expected = Item::Event(Event { headers: Some(headers), ..plain });
        let long = "x".repeat(10_000);
        let stream = format!(
            "event: binary\nevent-name: created\ntime: 7\ntime: 8\ncontent-type: json\ntracestate: {long}\n\
             data: AP8=\n\ndata: b\n\ntime: soon\ndata: c\n\n"
        );
        assert_eq!(items(&stream), [expected, event("", "b", ""), event("", "c", "")]);
    }

    #[test]
    fn retry_is_digits_and_anything_else_is_ignored() {
        let millis = |millis| Item::Retry(Duration::from_millis(millis));
        let stream =
            "retry: 1500\nretry: +1\nretry: 1s\nretry\nretry: 99999999999999999999\nretry:0\n";
        assert_eq!(items(stream), [millis(1500), millis(0)]);
        assert_eq!(items("unknown: field\nDATA: a\n data: b\n\n"), []);
    }

    #[test]
    fn what_is_no_utf8_is_replaced() {
        let (items, _) = read(99, [&b"data: \xE2\x98\x83 \xFF\n\n"[..]]);
        assert_eq!(items, [event("", "\u{2603} \u{fffd}", "")]);
    }

    #[test]
    fn a_line_or_an_event_beyond_the_limit_is_an_error_for_good() {
        for stream in ["data: 123456", "data: 1234\ndata: 1234\ndata: 1\n"] {
            let mut parser = Parser::with_limit(10);
            let mut items = Vec::new();
            assert_eq!(parser.feed(stream.as_bytes(), &mut items), Err(TooLong { limit: 10 }));
            assert_eq!(parser.feed(b"\n\ndata\n\n", &mut items), Err(TooLong { limit: 10 }));
            assert_eq!(items, []);
        }
        assert_eq!(
            read(10, [&b"data: 1234\ndata:12345\n\n"[..]]).0,
            [event("", "1234\n12345", "")]
        );
    }

    #[test]
    fn a_long_line_in_single_bytes_is_read_once() {
        // Looking at all that has come with each byte would be 10^12 looks, and never end.
        let line = [b"data: ".to_vec(), vec![b'x'; 1_000_000], b"\n\n".to_vec()].concat();
        let (items, _) = read(MAX_EVENT_BYTES, line.chunks(1));
        assert_eq!(items.len(), 1);
    }

    /// Pieces of streams, so that random streams are not all noise.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let words: [&[u8]; 19] = [
            b"data",
            b"topic",
            b"time",
            b"event-name",
            b"event",
            b"id",
            b"retry",
            b":",
            b": ",
            b" ",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xEF\xBB\xBF",
            b"\0",
            b"12",
            b"\xE2\x98\x83",
            b"\xFF",
        ];
        let word = prop::sample::select(words.to_vec()).prop_map(<[u8]>::to_vec);
        vec(prop_oneof![8 => word, 1 => vec(any::<u8>(), 0..4)], 0..64).prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn any_cuts_of_the_same_bytes_say_the_same(
            stream in stream(),
            cuts in vec(0..200_usize, 0..8),
            limit in 4..64_usize,
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
            let whole = read(limit, [&stream[..]]);
            prop_assert_eq!(read(limit, pieces), whole.clone());
            prop_assert_eq!(read(limit, stream.chunks(1)), whole);
        }
    }
}
