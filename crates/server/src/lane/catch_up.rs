//! Catching up: a client that is not with the lane is served from the log, as fast as it reads.

use bytes::Bytes;
use tidings_core::driver::Fetched;
use tidings_core::driver::{Cursor, Kept};
use tidings_core::{Event, Reason};

use super::client::Client;
use super::compressed::SyncState;
use super::group::Group;
use super::status::Status;

/// A portion of the entries after a client's cursor.
pub(super) struct Portion {
    /// The client's cursor after it.
    pub(super) cursor: Cursor,
    pub(super) bytes: Bytes,
    /// The client's state of compression after it.
    pub(super) sync: SyncState,
    /// The number of notifications in `bytes`.
    pub(super) notifications: u64,
    /// Whether there are events for the client.
    pub(super) has_events: bool,
    /// Whether the read has not reached its end, because one read looks at a bounded number of entries.
    pub(super) has_more: bool,
    /// The reason of the goodbye, if the portion ends with one.
    pub(super) goodbye: Option<Reason>,
}

/// Reads a portion of the entries after a client's cursor. `None` if only the broker has them.
pub(super) fn read(
    client: &Client,
    group: &Group,
    sync: SyncState,
    status: &Status,
) -> Option<Portion> {
    let log = status.hub.log();
    let mut cursor = client.cursor(status.position);
    // Up to the lane's position, so that the next pass serves the client. But a poll that is not held gets everything
    // that is published, a client that is further than the lane does not go back, and a client that is sent the newest
    // notification of each topic may have to read further than the lane.
    let is_ahead = cursor.is_ahead_of(status.position) || cursor.is_in_snapshot();
    let end = if client.is_immediate_poll() || is_ahead { log.head() } else { status.position };
    let mut events = Vec::new();
    let seat = client.seat.id();
    match cursor.read(log, group.interest(), seat, end, client.budget(), &mut events) {
        Kept::Log => {
            let has_more = Cursor::at(end).is_ahead_of(cursor.position());
            Some(Portion { has_more, ..encode(client, group, sync, events, cursor, status) })
        }
        Kept::Broker => None,
    }
}

/// Encodes what the broker returned for a client.
pub(super) fn fetched(
    client: &Client,
    group: &Group,
    sync: SyncState,
    fetched: Fetched,
    status: &Status,
) -> Portion {
    encode(client, group, sync, fetched.events, fetched.cursor, status)
}

/// Encodes these events for one client, whose cursor is `cursor` after them.
fn encode(
    client: &Client,
    group: &Group,
    mut sync: SyncState,
    mut events: Vec<Event>,
    cursor: Cursor,
    status: &Status,
) -> Portion {
    let was_in_snapshot = client.cursor(status.position).is_in_snapshot();
    if was_in_snapshot && !cursor.is_in_snapshot() && events.is_empty() && !client.is_poll() {
        // The client has not been sent a position yet. With this one it can resume after a cut, and need not begin with
        // the newest notification of each topic again.
        let (position, interval) = (cursor.position(), status.hub.heartbeat().interval);
        events.push(Event::Heartbeat { position, interval });
    }
    let goodbye = match events.last() {
        Some(Event::Goodbye(reason)) => Some(*reason),
        _ => None,
    };
    let has_events = !events.is_empty();
    let bytes = match has_events {
        true => group.encode_alone(&events, cursor.position(), &mut sync),
        false => Bytes::new(),
    };
    let notifications = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
    let notifications = notifications as u64;
    Portion { cursor, bytes, sync, notifications, has_events, has_more: false, goodbye }
}
