//! Encodes events as lines of JSON.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Event, Format, Id};
use tidings_transport::{
    Decoder, ENVELOPE, Encoder, Message, concatenated, gap_json, goodbye_json, heartbeat_json,
    reply_json,
};

use crate::decoder::MessageDecoder;

/// Encodes a notification as one line with its JSON envelope.
static LINE: Format =
    Format::new("webtransport", |entry| [&entry.encoded(&ENVELOPE)[..], b"\n"].concat().into());

/// Encodes events as lines of JSON. JSON has no line ends but those between its tokens, and the encoders write none.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) max_message: usize,
}

impl Encoder for Lines {
    /// A heartbeat with the position, so that a client whose session breaks before the first notification can resume.
    /// It also makes the stream known to the client.
    fn opening(&self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        line(heartbeat_json(position, heartbeat))
    }

    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        concatenated(events, |event| match event {
            Event::Deliver(entry) => entry.encoded(&LINE),
            Event::Gap(gap) => line(gap_json(gap)),
            Event::Heartbeat { position, interval } => {
                line(heartbeat_json(Some(*position), *interval))
            }
            Event::Goodbye(reason) => line(goodbye_json(*reason)),
        })
    }

    fn reply(&self, reply: &Message) -> Option<Bytes> {
        Some(line(reply_json(reply)))
    }

    /// A decoder for one stream of the client.
    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        Some(Box::new(MessageDecoder::new(self.max_message)))
    }
}

fn line(mut json: String) -> Bytes {
    json.push('\n');
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidings_core::{Entry, Epoch, Gap, GapReason, Notification, Reason};

    #[test]
    fn each_event_is_one_line_whatever_the_payload() {
        let lines = Lines { max_message: 1 };
        let id = |seq| Epoch::from_number(36).id(seq);
        let text = Notification::text("a".parse().unwrap(), "two\nlines\r\n\u{2028}\"}");
        let binary = Notification::binary("a".parse().unwrap(), Bytes::from_static(b"\n\xff"));
        let entry = |seq, notification| Event::Deliver(Arc::new(Entry::new(id(seq), notification)));
        let gap = Gap { after: id(2), resume: id(5), missed: Some(3), reason: GapReason::Lagged };
        let interval = Duration::from_secs(25);
        let events = [
            Event::Heartbeat { position: id(0), interval },
            entry(1, text),
            entry(2, binary),
            Event::Gap(gap),
            Event::Goodbye(Reason::GoingAway),
        ];
        let encoded = lines.encode(&events, id(5));
        let reply = lines.reply(&Message::text("to\nyou")).unwrap();
        let all = [lines.opening(Some(id(0)), interval), encoded, reply].concat();
        let all = String::from_utf8(all).unwrap();
        let expected = [
            r#"{"ping":25000,"id":"10-0"}"#,
            r#"{"ping":25000,"id":"10-0"}"#,
            r#"{"id":"10-1","topic":"a","data":"two\nlines\r\n"#,
            r#"{"id":"10-2","topic":"a","data_base64":"Cv8="}"#,
            r#"{"gap":{"after":"10-2","resume":"10-5","missed":3,"reason":"lagged"}}"#,
            &tidings_transport::goodbye_json(Reason::GoingAway),
            r#"{"reply":{"data":"to\nyou"}}"#,
        ];
        assert!(all.ends_with('\n'));
        let all: Vec<_> = all.trim_end_matches('\n').split('\n').collect();
        assert_eq!(all.len(), expected.len(), "{all:?}");
        for (line, expected) in all.into_iter().zip(expected) {
            assert!(line.starts_with(expected), "{line} is not {expected}");
        }
    }
}
