//! Converts an entry of the stream to a notification.

use bytes::Bytes;
use redis::Value;
use tidings_core::broker::Stored;
use tidings_core::{Header, Headers, Kind};

use super::look::Look;
use crate::stored::{notification, warn_of_foreign};

pub(super) const fn field(header: Header) -> &'static str {
    match header {
        Header::Event => "n",
        Header::ContentType => "c",
        Header::Time => "w",
        Header::Traceparent => "tp",
        Header::Tracestate => "ts",
    }
}

/// A parsed entry of the stream.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) stored: Stored,
    /// The epoch in which it was published. `None` if another program wrote it.
    epoch: Option<String>,
    /// When it was stored, in milliseconds.
    pub(super) time: Option<i64>,
    /// The size of topic, payload and headers, in bytes.
    pub(super) bytes: usize,
}

impl Entry {
    /// Returns `true` if it has the epoch of the look, or is not after its base.
    pub(super) fn is_of(&self, look: &Look) -> bool {
        // An entry that another program wrote has no epoch.
        self.stored.seq <= look.base
            || self.epoch.as_deref().is_none_or(|epoch| epoch.parse() == Ok(look.epoch))
    }

    /// Parses `[SEQ-0, [name, value, …]]`.
    fn read(stream: &str, value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [id, fields]: [Value; 2] = parts.try_into().ok()?;
        let seq = seq(&id)?;
        let (mut topic, mut payload, mut kind) = (None, Bytes::new(), Kind::Text);
        let (mut epoch, mut time, mut seat) = (None, None, None);
        let mut texts = Vec::new();
        if let Value::Array(fields) = fields {
            let mut fields = fields.into_iter();
            while let (Some(name), Some(Value::BulkString(value))) = (fields.next(), fields.next())
            {
                let Value::BulkString(name) = name else { continue };
                match &*name {
                    b"t" => topic = text(value),
                    b"p" => payload = value.into(),
                    b"k" => kind = Kind::Binary,
                    b"s" => seat = text(value).and_then(|seat| seat.parse().ok()),
                    b"e" => epoch = text(value),
                    b"m" => time = text(value).and_then(|time| time.parse().ok()),
                    name => {
                        let is_this = |&header: &Header| field(header).as_bytes() == name;
                        let known = Header::ALL.iter().copied().find(is_this);
                        texts.extend(known.and_then(|header| Some((header, text(value)?))));
                    }
                }
            }
        }
        let bytes = payload.len()
            + topic.as_ref().map_or(0, String::len)
            + texts.iter().map(|(_, text)| text.len()).sum::<usize>();
        let notification =
            notification(topic.as_deref(), kind, payload, seat, Headers::lossy(texts));
        if notification.is_none() {
            warn_of_foreign(stream, seq, topic.as_deref().unwrap_or("no topic"));
        }
        Some(Self { stored: Stored { seq, notification }, epoch, time, bytes })
    }
}

/// Parses the response to `XRANGE`: entries.
pub(super) fn entries(stream: &str, answer: Value) -> Option<Vec<Entry>> {
    let Value::Array(list) = answer else { return None };
    list.into_iter().map(|entry| Entry::read(stream, entry)).collect()
}

/// Parses the response to `XREAD` for one stream: nothing, or `[[key, entries]]`.
pub(super) fn read_entries(stream: &str, answer: Value) -> Option<Vec<Entry>> {
    let streams = match answer {
        Value::Nil => return Some(Vec::new()),
        Value::Array(streams) => streams,
        _ => return None,
    };
    let Some(Value::Array(mut pair)) = streams.into_iter().next() else { return Some(Vec::new()) };
    entries(stream, pair.pop()?)
}

fn seq(id: &Value) -> Option<u64> {
    let Value::BulkString(id) = id else { return None };
    std::str::from_utf8(id).ok()?.split('-').next()?.parse().ok()
}

fn text(value: Vec<u8>) -> Option<String> {
    String::from_utf8(value).ok()
}

/// The number of entries to request. It depends on the size of the last ones, because a whole response is held in
/// memory.
#[derive(Debug)]
pub(super) struct Page {
    count: usize,
    most: usize,
    bytes: usize,
}

impl Page {
    const FIRST: usize = 64;
    const ENTRY: usize = 64;

    /// A page for a tail, of 16 MiB and `most` entries at most.
    pub(super) fn new(most: usize) -> Self {
        Self { count: most.clamp(1, Self::FIRST), most: most.max(1), bytes: 16 << 20 }
    }

    /// A page for a replay over the shared connection, of 1 MiB and `most` entries at most. It begins with a few
    /// entries, because they may be large.
    pub(super) fn of_few(most: usize) -> Self {
        Self { count: most.clamp(1, 4), most: most.max(1), bytes: 1 << 20 }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adapts the number to the size of these entries.
    pub(super) fn learn(&mut self, entries: &[Entry]) {
        let bytes: usize = entries.iter().map(|entry| entry.bytes + Self::ENTRY).sum();
        if let Some(mean) = bytes.checked_div(entries.len()) {
            // At most twice as many, because the next entries may be larger.
            self.count = (self.bytes / mean.max(1)).clamp(1, self.most.min(self.count * 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Epoch;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn entry(fields: &[&str]) -> Entry {
        let fields = fields.iter().map(|field| bulk(field)).collect();
        Entry::read("news", Value::Array(vec![bulk("7-0"), Value::Array(fields)])).unwrap()
    }

    #[test]
    fn an_entry_is_parsed_and_one_of_another_program_has_no_notification() {
        let ours = entry(&["e", "abc", "m", "12", "t", "a.b", "p", "hello"]);
        let text = ours.stored.notification.as_ref().unwrap().as_text();
        assert_eq!((ours.stored.seq, ours.time, text), (7, Some(12), Some("hello")));
        let look = Look { epoch: "abc".parse().unwrap(), head: 9, base: 0, floor: 0 };
        assert!(ours.is_of(&look));
        let other = Look { epoch: Epoch::from_number(1), ..look };
        assert!(!ours.is_of(&other));
        assert!(ours.is_of(&Look { base: 7, ..other }));
        assert_eq!(entry(&["colour", "red"]).stored.notification, None);
    }

    #[test]
    fn an_entry_with_a_malformed_header_is_kept_without_it() {
        let read = entry(&["t", "a", "n", "created", "w", "soon", "ts", "a=1", "p", "hello"]);
        let notification = read.stored.notification.unwrap();
        let headers = Headers::new().with_event("created").unwrap();
        assert_eq!(
            (notification.as_text(), notification.headers()),
            (Some("hello"), Some(&headers))
        );
        assert_eq!(
            read.bytes,
            "a".len() + "created".len() + "soon".len() + "a=1".len() + "hello".len()
        );
    }

    #[test]
    fn pages_shrink_for_large_entries_and_grow_for_small_ones() {
        let sized = |bytes| Entry { bytes, ..entry(&["t", "a", "p", ""]) };
        let mut page = Page::new(1024);
        page.learn(&[sized(100)]);
        assert_eq!(page.count(), 128);
        page.learn(&[sized(8 << 20)]);
        assert_eq!(page.count(), 1);
    }
}
