//! Builds a notification from what a broker has stored.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tidings_core::{Headers, Kind, Notification, SeatId};

/// `None` if the topic is missing or invalid. Text that is not UTF-8, which no hub publishes, becomes a binary
/// notification.
pub(crate) fn notification(
    topic: Option<&str>,
    kind: Kind,
    payload: Bytes,
    seat: Option<u64>,
    headers: Option<Headers>,
) -> Option<Notification> {
    let topic: tidings_core::Topic = topic?.parse().ok()?;
    let kind = match kind {
        Kind::Text if std::str::from_utf8(&payload).is_ok() => Kind::Text,
        _ => Kind::Binary,
    };
    let mut notification = Notification::checked(topic, kind, payload).ok()?;
    if let Some(headers) = headers {
        notification = notification.with_headers(headers);
    }
    Some(match seat {
        Some(seat) => notification.from_seat(SeatId::from_number(seat)),
        None => notification,
    })
}

/// Logs a warning that another program writes to the stream: for the first entry, and for each thousandth after it.
pub(crate) fn warn_of_foreign(stream: &str, seq: u64, subject: &str) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    if count.is_multiple_of(1000) {
        tracing::warn!(stream, seq, subject, "skipped a stream entry that is not a notification");
    }
}
