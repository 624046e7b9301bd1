//! Encodes events as one JSON response.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::json;
use tidings_core::{Event, Gap, Id, Snapshot};
use tidings_transport::{Compression, ENVELOPE, Encoder};

/// Encodes a response to a poll: `{"cursor":…,"notifications":[…],"gap":{…}?,"goodbye":{…}?}`.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The snapshot that the poll reads, or `None` if it reads from another position. The cursor of a response with
    /// only a part of the snapshot is a position in the snapshot.
    pub(crate) snapshot: Option<Snapshot>,
    /// How a long answer is compressed.
    pub(crate) compression: Option<Compression>,
}

impl Answer {
    fn cursor(&self, position: Id) -> String {
        match self.snapshot {
            Some(Snapshot { after, upto, .. })
                if after.epoch == position.epoch && position.seq < upto =>
            {
                Snapshot::new(position, upto).to_string()
            }
            _ => position.to_string(),
        }
    }
}

impl Encoder for Answer {
    fn compression(&self) -> Option<Compression> {
        self.compression
    }

    fn encode(&self, events: &[Event], position: Id) -> Bytes {
        let cursor = self.cursor(position);
        let begin = format!("{{\"cursor\":\"{cursor}\",\"notifications\":[");
        let mut found = Vec::new();
        let mut gap = None;
        let mut members = String::new();
        for event in events {
            match event {
                Event::Deliver(entry) => found.push(entry.encoded(&ENVELOPE)),
                // The log may evict more entries while the response is collected, which makes a second gap.
                Event::Gap(next) => gap = Some(gap.map_or(*next, |gap: Gap| gap.joined(*next))),
                // The empty response at the end of the hold time serves as a heartbeat.
                Event::Heartbeat { .. } => {}
                Event::Goodbye(reason) => {
                    let goodbye = json!({"reason": reason.name(), "message": reason.phrase()});
                    members.push_str(&format!(",\"goodbye\":{goodbye}"));
                }
            }
        }
        if let Some(gap) = gap {
            members.push_str(&format!(",\"gap\":{}", json!(gap)));
        }
        let length: usize = found.iter().map(|json| json.len() + 1).sum();
        let mut body = BytesMut::with_capacity(begin.len() + length + members.len() + 2);
        body.put_slice(begin.as_bytes());
        for (index, json) in found.iter().enumerate() {
            if index > 0 {
                body.put_u8(b',');
            }
            body.put_slice(json);
        }
        body.put_u8(b']');
        body.put_slice(members.as_bytes());
        body.put_slice(b"}\n");
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use tidings_core::{Entry, Epoch, GapReason, Notification, Reason};

    #[test]
    fn a_response_is_valid_json_with_any_events() {
        let id = |seq| Epoch::from_number(36).id(seq);
        let entry = |seq, payload: &str| {
            let notification = Notification::text("t".parse().unwrap(), payload);
            Event::Deliver(Arc::new(Entry::new(id(seq), notification)))
        };
        let gap = Gap { after: id(1), resume: id(4), missed: Some(3), reason: GapReason::Lagged };
        let events =
            [Event::Gap(gap), entry(5, "\"\n"), entry(6, ""), Event::Goodbye(Reason::GoingAway)];
        let read = |bytes: Bytes| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        let expected = json!({
            "cursor": "10-6",
            "notifications": [
                {"id": "10-5", "topic": "t", "data": "\"\n"},
                {"id": "10-6", "topic": "t", "data": ""},
            ],
            "gap": {"after": "10-1", "resume": "10-4", "missed": 3, "reason": "lagged"},
            "goodbye": {"reason": "going_away", "message": "the server is going away"},
        });
        assert_eq!(read(Answer::default().encode(&events, id(6))), expected);
        let empty = json!({"cursor": "10-6", "notifications": []});
        assert_eq!(read(Answer::default().encode(&[], id(6))), empty);
    }
}
