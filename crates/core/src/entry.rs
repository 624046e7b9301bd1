//! A notification in the log, and its bytes for each wire format.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::copies::Copies;
use crate::{Id, Notification};

/// A wire format of notifications. A transport has a `static` for each kind of client that it serves. Core defines
/// none.
///
/// ```
/// use bytes::Bytes;
/// use tidings_core::{Entry, Epoch, Format, Notification};
///
/// static LINE: Format = Format::new("line", |entry| Bytes::from(format!("{}\n", entry.id())));
///
/// let entry = Entry::new(Epoch::from_number(10).id(7), Notification::text("t".parse()?, ""));
/// assert_eq!(entry.encoded(&LINE), "a-7\n");
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
pub struct Format {
    name: &'static str,
    encode: fn(&Entry) -> Bytes,
}

/// A published notification: its id, and its encoded bytes in the formats that were requested.
///
/// The bytes are kept and shared, unless the encoded copies of the log have reached the limit that
/// [`Retention::bytes`](crate::Retention::bytes) sets, or the log is near that limit and the entry is one of its
/// oldest. Then each call of [`encoded`](Self::encoded) encodes again.
pub struct Entry {
    id: Id,
    notification: Notification,
    encoded: [Encoding; ENCODED],
    share: Share,
}

/// The bytes that an entry counts in the [`Copies`] of its log. Dropping it subtracts them.
struct Share {
    /// `None` for an entry that is not in a log. Its copies are not counted.
    copies: Option<Arc<Copies>>,
    counted: AtomicUsize,
    /// No further copies are kept.
    is_old: AtomicBool,
}

/// The bytes of one format. The format takes the slot before it encodes, so that it may encode another format of the
/// same entry meanwhile.
#[derive(Default)]
struct Encoding {
    format: OnceLock<&'static Format>,
    /// `None` if there was no room for them.
    bytes: OnceLock<Option<Bytes>>,
}

/// The number of formats whose bytes an entry keeps. A further format is encoded at each call. WebSocket, SSE and
/// long-polling use five, and WebTransport one.
const ENCODED: usize = 6;

impl Format {
    /// Creates a format with this name, which is used for debugging only, and the function that encodes an entry.
    pub const fn new(name: &'static str, encode: fn(&Entry) -> Bytes) -> Self {
        Self { name, encode }
    }
}

impl Entry {
    /// Creates an entry that is not in a log, for tests of an encoder. Its encoded copies are not counted.
    pub fn new(id: Id, notification: Notification) -> Self {
        Self::sharing(id, notification, Share::of(None, false))
    }

    /// An entry of a log, which counts its encoded copies in `copies`.
    pub(crate) fn counted(id: Id, notification: Notification, copies: &Arc<Copies>) -> Self {
        Self::sharing(id, notification, Share::of(Some(copies.clone()), false))
    }

    fn sharing(id: Id, notification: Notification, share: Share) -> Self {
        Self { id, notification, encoded: Default::default(), share }
    }

    /// Stops keeping copies. If it has any, the result is the same entry without copies, to replace it in the log.
    pub(crate) fn retire_copies(&self) -> Option<Self> {
        self.share.is_old.store(true, Ordering::Relaxed);
        (self.share.counted.load(Ordering::Relaxed) > 0).then(|| {
            let share = Share::of(self.share.copies.clone(), true);
            Self::sharing(self.id, self.notification.clone(), share)
        })
    }

    /// Returns the id, which is also the position.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Returns the notification.
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// Returns the bytes in this format. The first call encodes them, and later calls share them if they are kept.
    pub fn encoded(&self, format: &'static Format) -> Bytes {
        for slot in &self.encoded {
            if std::ptr::eq(*slot.format.get_or_init(|| format), format) {
                return self.encoded_in(slot, format);
            }
        }
        (format.encode)(self)
    }

    fn encoded_in(&self, slot: &Encoding, format: &'static Format) -> Bytes {
        if slot.bytes.get().is_none() && !self.share.has_room(self.notification.size()) {
            return (format.encode)(self);
        }
        let mut not_kept = None;
        let kept = slot.bytes.get_or_init(|| {
            let bytes = (format.encode)(self);
            if self.share.count(bytes.len()) {
                return Some(bytes);
            }
            not_kept = Some(bytes);
            None
        });
        match kept {
            Some(bytes) => bytes.clone(),
            None => not_kept.unwrap_or_else(|| (format.encode)(self)),
        }
    }
}

impl Share {
    fn of(copies: Option<Arc<Copies>>, is_old: bool) -> Self {
        Self { copies, counted: AtomicUsize::new(0), is_old: AtomicBool::new(is_old) }
    }

    /// Checks for room by an estimate, because the actual length is known only after encoding.
    fn has_room(&self, length: usize) -> bool {
        self.copies.as_ref().is_none_or(|copies| {
            !self.is_old.load(Ordering::Relaxed) && copies.has_room(Copies::cost(length))
        })
    }

    fn count(&self, length: usize) -> bool {
        let Some(copies) = &self.copies else { return true };
        let cost = Copies::cost(length);
        let has_room = copies.count(cost);
        if has_room {
            self.counted.fetch_add(cost, Ordering::Relaxed);
        }
        has_room
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let counted = *self.counted.get_mut();
        if let Some(copies) = &self.copies
            && counted > 0
        {
            copies.give_back(counted);
        }
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({})", self.name)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formats: Vec<_> = self.encoded.iter().filter_map(|slot| slot.format.get()).collect();
        f.debug_struct("Entry")
            .field("id", &self.id)
            .field("notification", &self.notification)
            .field("encoded", &formats)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Epoch;

    #[test]
    fn a_thousand_calls_encode_once() {
        static ENCODINGS: AtomicUsize = AtomicUsize::new(0);
        static COUNTED: Format = Format::new("counted", |entry| {
            ENCODINGS.fetch_add(1, Ordering::Relaxed);
            Bytes::from(entry.id().to_string())
        });
        let entry =
            Entry::new(Epoch::from_number(35).id(1), Notification::text("t".parse().unwrap(), "x"));
        let first = entry.encoded(&COUNTED);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..250 {
                        assert_eq!(entry.encoded(&COUNTED).as_ptr(), first.as_ptr());
                    }
                });
            }
        });
        assert_eq!(ENCODINGS.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_format_may_encode_another_format() {
        static INNER: Format = Format::new("inner", |_| Bytes::from_static(b"x"));
        static OUTER: Format =
            Format::new("outer", |entry| [entry.encoded(&INNER), "y".into()].concat().into());
        let entry =
            Entry::new(Epoch::from_number(1).id(1), Notification::text("t".parse().unwrap(), ""));
        assert_eq!(entry.encoded(&OUTER), "xy");
    }

    #[test]
    fn formats_without_a_slot_are_encoded_at_each_call() {
        static FORMATS: [Format; 8] = [
            Format::new("0", |_| Bytes::from_static(b"0")),
            Format::new("1", |_| Bytes::from_static(b"1")),
            Format::new("2", |_| Bytes::from_static(b"2")),
            Format::new("3", |_| Bytes::from_static(b"3")),
            Format::new("4", |_| Bytes::from_static(b"4")),
            Format::new("5", |_| Bytes::from_static(b"5")),
            Format::new("6", |_| Bytes::from_static(b"6")),
            Format::new("7", |_| Bytes::from_static(b"7")),
        ];
        let entry =
            Entry::new(Epoch::from_number(1).id(1), Notification::text("t".parse().unwrap(), ""));
        for _ in 0..2 {
            for (index, format) in FORMATS.iter().enumerate() {
                assert_eq!(entry.encoded(format), index.to_string());
            }
        }
    }
}
