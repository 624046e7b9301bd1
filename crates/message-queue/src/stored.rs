//! What a broker stores as a notification.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tidings_core::{Headers, Kind, Notification, SeatId};

/// The notification; `None` where the topic is none. Text that is not UTF-8 was put there by somebody else and
/// is passed on as what it is, bytes.
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

/// Says now and then that somebody else writes into the stream: at the first, and at each thousandth.
pub(crate) fn warn_of_foreign(stream: &str, seq: u64, subject: &str) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    if count.is_multiple_of(1000) {
        tracing::warn!(stream, seq, subject, "passed over what is no notification of ours");
    }
}
