//! Makes a subscriber a client of the lane.

use bytes::{Bytes, BytesMut};
use tidings_core::Event;
use tidings_core::driver::Cursor;
use tidings_transport::Shape;

use super::client::{Client, Standing};
use super::compressed::SyncState;
use super::group::{AnswerHead, Ending};
use super::groups::Groups;
use super::status::Status;
use crate::metrics::Metrics;
use crate::response;
use tidings_transport::mount::Subscriber;

/// Whether the head of the response has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The head is not sent yet. The lane sends it.
    Unsent,
    /// Another HTTP server has sent the head and has upgraded the connection.
    Sent,
}

/// A client that has joined its group.
pub(super) struct Opened {
    pub(super) client: Client,
    /// The bytes that it is sent at once.
    pub(super) first: Bytes,
    /// Whether these bytes are the whole answer to a poll.
    pub(super) is_answered: bool,
    pub(super) sync: SyncState,
}

/// Makes a subscriber the client of the connection `key`, and adds it to its group. If `is_last`, the connection of a
/// poll ends with the answer.
pub(super) fn open(
    key: usize,
    subscriber: Box<Subscriber>,
    head: Head,
    is_last: bool,
    groups: &mut Groups,
    metrics: &Metrics,
    status: &Status,
) -> Opened {
    let Subscriber { accepted, seat, interest, position, on_message, compressor, .. } = *subscriber;
    let (cursor, gap) = Cursor::open(status.hub.log(), position, &interest);
    let start = cursor.position();
    let mut first = BytesMut::new();
    let answer = match accepted.shape {
        Shape::Upgrade => {
            if head == Head::Unsent {
                response::upgrade_head(&mut first, &accepted);
            }
            None
        }
        Shape::Stream => {
            response::stream_head(&mut first, &accepted);
            None
        }
        Shape::Answer { .. } => {
            let ending = if is_last { Ending::Last } else { Ending::Open };
            Some(AnswerHead { head: accepted.head, ending })
        }
    };
    let is_poll = answer.is_some();
    let mut opening = Bytes::new();
    if !is_poll {
        // The client is before the gap until it is sent the gap, which comes after these bytes.
        let at = gap.map_or(start, |gap| gap.after);
        let (at, heartbeat) = ((!cursor.is_in_snapshot()).then_some(at), status.hub.heartbeat());
        opening = accepted.encoder.opening(at, heartbeat.interval);
    }
    let delivered = || metrics.delivered(seat.transport());
    let group = groups.join(key, &accepted.encoder, interest, answer, compressor, delivered);
    let mut sync = SyncState::default();
    first.extend_from_slice(&if group.is_gzip() { sync.begin(&opening) } else { opening });
    if let Some(gap) = gap {
        first.extend_from_slice(&group.encode_alone(&[Event::Gap(gap)], start, &mut sync));
    }
    let mut client = Client::new(seat, cursor, accepted.shape, group.can_answer, on_message);
    // A poll that is not held gets everything that is published, even if the lane has not reached it.
    if start == status.position && !cursor.is_in_snapshot() && !client.is_immediate_poll() {
        client.standing = Standing::WithLane;
    }
    Opened { client, first: first.freeze(), is_answered: is_poll && gap.is_some(), sync }
}
