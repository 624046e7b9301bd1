//! Parses the event stream format.

mod interpreter;
mod lines;

use std::time::Duration;

use tidings_core::Headers;

use interpreter::Interpreter;
use lines::Lines;

/// The default limit for the length of a line, and for the length of an event's data: 16 MiB.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Parses an event stream as the HTML standard specifies (section 9.2.6). It also reads the fields that tidings adds:
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
/// The input may be cut anywhere. Each byte is examined once, and the parser holds at most twice its limit.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    lines: Lines,
    interpreter: Interpreter,
    has_failed: bool,
}

/// An item of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event.
    Event(Event),
    /// A comment, which keeps a connection alive.
    Comment,
    /// A comment `ping MILLISECONDS`, in which a server announces the time between two of its heartbeats.
    Ping(Duration),
    /// A block that has an id and no data. It changes the last event id to this, and is not an event.
    Id(String),
    /// The time to wait before reconnecting.
    Retry(Duration),
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The type. An empty type means `message`.
    pub event: String,
    /// The topic, if the stream has the field `topic`, which tidings adds.
    pub topic: Option<String>,
    /// The headers from the fields that tidings adds. The event name of a text event is not among them, because it is
    /// the type. A malformed header is left out.
    pub headers: Option<Headers>,
    /// The data lines, joined by LF.
    pub data: String,
    /// The last event id, from this event or an earlier block. Empty if there was none.
    pub last_event_id: String,
}

/// A line, or the data of an event, is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The limit in bytes.
    pub limit: usize,
}

impl Default for Parser {
    /// Creates a parser with the limit [`MAX_EVENT_BYTES`].
    fn default() -> Self {
        Self::with_limit(MAX_EVENT_BYTES)
    }
}

impl Parser {
    /// Creates a parser that accepts lines, and data of an event, of up to `limit` bytes each.
    pub fn with_limit(limit: usize) -> Self {
        let (lines, interpreter) = (Lines::new(limit), Interpreter::new(limit));
        Self { limit, lines, interpreter, has_failed: false }
    }

    /// Returns the last event id, as of the last blank line. Empty if there was none.
    pub fn last_event_id(&self) -> &str {
        self.interpreter.last_event_id()
    }

    /// Parses the next bytes of the stream and appends the items that they complete.
    ///
    /// A block that is not followed by a blank line when the stream ends is discarded, as the standard requires. So
    /// there is no call to finish a stream.
    ///
    /// # Errors
    /// Fails with [`TooLong`] if a line or the data of an event is longer than the limit. After that, every call fails.
    pub fn feed(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> Result<(), TooLong> {
        let Self { limit, lines, interpreter, has_failed } = self;
        if *has_failed {
            return Err(TooLong { limit: *limit });
        }
        let fed = lines.feed(bytes, |line| interpreter.line(line, items));
        if fed.is_err() {
            *has_failed = true;
            *lines = Lines::new(*limit);
            interpreter.discard_block();
        }
        fed
    }
}

impl TooLong {
    fn check(length: usize, limit: usize) -> Result<(), Self> {
        if length <= limit { Ok(()) } else { Err(Self { limit }) }
    }
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a line or an event is longer than {} bytes", self.limit)
    }
}

impl std::error::Error for TooLong {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Parses these pieces. The result is the items, and `true` if there was no error.
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
    fn the_examples_of_the_standard_are_parsed_as_it_requires() {
        assert_eq!(items("data: YHOO\ndata: +2\ndata: 10\n\n"), [event("", "YHOO\n+2\n10", "")]);
        let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        let first = event("", "first event", "1");
        let rest = [event("", "second event", ""), event("", " third event", "")];
        assert_eq!(items(four)[..2], [Item::Comment, first]);
        assert_eq!(items(four)[2..], rest);
        // The last block is not followed by a blank line and is discarded.
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
    fn one_byte_order_mark_is_skipped_at_the_start_only() {
        assert_eq!(items("\u{feff}data: a\n\n"), [event("", "a", "")]);
        assert_eq!(items("\u{feff}\u{feff}data: a\n\n"), []);
        assert_eq!(items("\n\u{feff}data: a\n\n"), []);
    }

    #[test]
    fn an_id_stays_until_the_next_and_an_id_with_nul_is_ignored() {
        let stream = "id: 1\n\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n";
        let one = Item::Id("1".to_owned());
        let expected = [one, event("", "a", "1"), event("", "b", "1"), event("", "c", "")];
        assert_eq!(items(stream), expected);
    }

    #[test]
    fn a_type_is_for_one_event_and_a_block_without_data_is_not_an_event() {
        assert_eq!(items("event: gap\n\ndata: a\n\n"), [event("", "a", "")]);
        let twice = "event: x\nevent: gap\ndata: a\n\ndata: b\n\n";
        assert_eq!(items(twice), [event("gap", "a", ""), event("", "b", "")]);
    }

    #[test]
    fn a_topic_is_for_one_event() {
        let Item::Event(plain) = event("", "a", "") else { unreachable!() };
        let named = Item::Event(Event { topic: Some("orders.new".to_owned()), ..plain });
        assert_eq!(items("topic: orders.new\ndata: a\n\ndata: b\n\n"), [named, event("", "b", "")]);
    }

    #[test]
    fn headers_are_for_one_event_and_malformed_headers_are_left_out() {
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
    fn retry_must_be_digits_and_is_ignored_otherwise() {
        let millis = |millis| Item::Retry(Duration::from_millis(millis));
        let stream =
            "retry: 1500\nretry: +1\nretry: 1s\nretry\nretry: 99999999999999999999\nretry:0\n";
        assert_eq!(items(stream), [millis(1500), millis(0)]);
        assert_eq!(items("unknown: field\nDATA: a\n data: b\n\n"), []);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        let (items, _) = read(99, [&b"data: \xE2\x98\x83 \xFF\n\n"[..]]);
        assert_eq!(items, [event("", "\u{2603} \u{fffd}", "")]);
    }

    #[test]
    fn after_a_line_or_an_event_over_the_limit_every_call_fails() {
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
    fn the_bytes_of_a_long_line_are_examined_once() {
        // If each byte made the parser examine the whole line again, this test would take 10^12 steps.
        let line = [b"data: ".to_vec(), vec![b'x'; 1_000_000], b"\n\n".to_vec()].concat();
        let (items, _) = read(MAX_EVENT_BYTES, line.chunks(1));
        assert_eq!(items.len(), 1);
    }

    /// Random streams, mostly made of pieces that a stream can have.
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
        fn the_same_bytes_give_the_same_items_however_they_are_cut(
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
