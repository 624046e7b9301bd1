//! Catching up: a client that is not where the lane is gets its bytes from the log, at its own pace.

use bytes::Bytes;
use tidings_core::driver::Fetched;
use tidings_core::driver::{Cursor, Kept};
use tidings_core::{Event, Reason};

use super::client::Client;
use super::group::Group;
use super::status::Status;

/// A portion of what follows a client's cursor.
pub(super) struct Portion {
    /// The client's cursor after it.
    pub(super) cursor: Cursor,
    pub(super) bytes: Bytes,
    /// How many notifications they hold.
    pub(super) notifications: u64,
    /// Whether something matched.
    pub(super) has_events: bool,
    /// Whether there is more to look at up to where the read was to end. One read looks at a bounded number of entries.
    pub(super) has_more: bool,
    /// The reason of the goodbye with which it ends, if it does.
    pub(super) goodbye: Option<Reason>,
}

/// Reads a portion of what follows a client's cursor. Returns `None` if only the broker has that.
pub(super) fn read(client: &Client, group: &Group, status: &Status) -> Option<Portion> {
    let log = status.hub.log();
    let mut cursor = client.cursor(status.position);
    // To where the lane is, so that the next pass serves it. But a poll that is not held gets what is published, whether
    // the lane has come to it or not; a client that is further than the lane is not sent back; and a client that is
    // sent the newest of each topic may have to read further than the lane.
    let is_ahead = cursor.is_ahead_of(status.position) || cursor.is_in_snapshot();
    let end = if client.is_immediate_poll() || is_ahead { log.head() } else { status.position };
    let mut events = Vec::new();
    let seat = client.seat.id();
    match cursor.read(log, &group.interest, seat, end, client.budget(), &mut events) {
        Kept::Log => {
            let has_more = Cursor::at(end).is_ahead_of(cursor.position());
            Some(Portion { has_more, ..encode(client, group, events, cursor, status) })
        }
        Kept::Broker => None,
    }
}

/// Encodes what the broker has for a client.
pub(super) fn fetched(
    client: &Client,
    group: &Group,
    fetched: Fetched,
    status: &Status,
) -> Portion {
    encode(client, group, fetched.events, fetched.cursor, status)
}

/// Encodes these events for one client, which has this cursor after them.
fn encode(
    client: &Client,
    group: &Group,
    mut events: Vec<Event>,
    cursor: Cursor,
    status: &Status,
) -> Portion {
    let was_in_snapshot = client.cursor(status.position).is_in_snapshot();
    if was_in_snapshot && !cursor.is_in_snapshot() && events.is_empty() && !client.is_poll() {
        // Nothing else tells its position. If it is cut, it goes on from there, and does not begin with the newest of each
        // topic again.
        let (position, interval) = (cursor.position(), status.hub.heartbeat().interval);
        events.push(Event::Heartbeat { position, interval });
    }
    let goodbye = match events.last() {
        Some(Event::Goodbye(reason)) => Some(*reason),
        _ => None,
    };
    let has_events = !events.is_empty();
    let bytes = if has_events { group.encode(&events, cursor.position()) } else { Bytes::new() };
    let notifications = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
    let notifications = notifications as u64;
    Portion { cursor, bytes, notifications, has_events, has_more: false, goodbye }
}
