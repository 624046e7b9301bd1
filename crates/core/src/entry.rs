//! A notification in the log, and its bytes for each wire format.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::copies::Copies;
use crate::{Id, Notification};

/// How a notification is written for one kind of client. A transport has one static of these for each
/// kind of client that it serves; core knows none of them.
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

/// A published notification: its id, and its bytes in the formats that anyone has asked for.
///
/// Those bytes are kept and shared, unless the entry is of a log whose copies have grown to the bound that
/// [`Retention::bytes`](crate::Retention::bytes) sets, or is one of the oldest of such a log. Then each asker
/// encodes for itself.
pub struct Entry {
    id: Id,
    notification: Notification,
    encoded: [Encoding; ENCODED],
    share: Share,
}

/// An entry's share of what the copies of its log count. Dropping it gives it back.
struct Share {
    /// Where the log counts its copies. An entry that is not of a log keeps them uncounted.
    copies: Option<Arc<Copies>>,
    counted: AtomicUsize,
    /// Nothing more is kept.
    is_old: AtomicBool,
}

/// One format's bytes. The owner is settled before the bytes are made, so that a format may build on
/// another one's.
#[derive(Default)]
struct Encoding {
    format: OnceLock<&'static Format>,
    /// `None` if there was no room for them.
    bytes: OnceLock<Option<Bytes>>,
}

/// The formats an entry remembers; a further one is encoded anew for each asker. The hub's transports
/// use five, which leaves room for one.
const ENCODED: usize = 6;

impl Format {
    /// A format with a name for people and the function that writes an entry in it.
    pub const fn new(name: &'static str, encode: fn(&Entry) -> Bytes) -> Self {
        Self { name, encode }
    }
}

impl Entry {
    /// An entry as the log makes it. Useful by itself in tests of an encoder.
    pub fn new(id: Id, notification: Notification) -> Self {
        Self::sharing(id, notification, Share::of(None, false))
    }

    /// An entry of a log, which counts the copies.
    pub(crate) fn counted(id: Id, notification: Notification, copies: &Arc<Copies>) -> Self {
        Self::sharing(id, notification, Share::of(Some(copies.clone()), false))
    }

    fn sharing(id: Id, notification: Notification, share: Share) -> Self {
        Self { id, notification, encoded: Default::default(), share }
    }

    /// Keeps no further copies. Returns the same entry without copies if it has any now.
    pub(crate) fn retire_copies(&self) -> Option<Self> {
        self.share.is_old.store(true, Ordering::Relaxed);
        (self.share.counted.load(Ordering::Relaxed) > 0).then(|| {
            let share = Share::of(self.share.copies.clone(), true);
            Self::sharing(self.id, self.notification.clone(), share)
        })
    }

    /// Its identity and position.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What was published.
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// Its bytes in this format: the first asker encodes, and the others share what it made, if it is kept.
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

    /// Whether there is room for a copy of this length. What it will be is not known before it is made.
    fn has_room(&self, length: usize) -> bool {
        self.copies.as_ref().is_none_or(|copies| {
            !self.is_old.load(Ordering::Relaxed) && copies.has_room(Copies::cost(length))
        })
    }

    /// Counts a copy, and returns `true`, if there is room for it.
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
    fn a_thousand_askers_share_one_encoding() {
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
    fn a_format_may_build_on_another_one() {
        static INNER: Format = Format::new("inner", |_| Bytes::from_static(b"x"));
        static OUTER: Format =
            Format::new("outer", |entry| [entry.encoded(&INNER), "y".into()].concat().into());
        let entry =
            Entry::new(Epoch::from_number(1).id(1), Notification::text("t".parse().unwrap(), ""));
        assert_eq!(entry.encoded(&OUTER), "xy");
    }

    #[test]
    fn more_formats_than_slots_are_still_right() {
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
