//! The bounded log that every cursor reads.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::copies::Copies;
use crate::dedup_window::DedupWindow;
use crate::newest::Newest;
use crate::{
    Budget, Entry, Epoch, Filters, GapReason, Headers, Id, IdempotencyKey, Interest, Notification,
    Retention, SeatId, Snapshot, Stored, Tail, Topic, WakerSet,
};

/// The notifications of one hub, oldest first, each with its place in one hub-wide sequence.
///
/// By itself it is the whole of the stream. Over a broker that many hubs share it is the newest part of
/// the broker's, and what it has evicted the broker may still have.
///
/// ```
/// use tidings_core::{Epoch, Log, Notification, Retention, driver::WakerSet};
///
/// let log = Log::new(Epoch::random(), Retention::default(), WakerSet::default());
/// let id = log.append(Notification::text("t".parse()?, "first"), None).expect("it is not sealed");
/// assert_eq!(id.seq, 1);
/// assert_eq!(log.head(), id);
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
#[derive(Debug)]
pub struct Log {
    retention: Retention,
    wakers: WakerSet,
    copies: Arc<Copies>,
    ring: RwLock<Ring>,
}

/// The retained entries. Their sequence numbers are contiguous, so an index is a subtraction.
#[derive(Debug)]
struct Ring {
    epoch: Epoch,
    /// The sequence number of `entries[0]`, or of the next entry where there is none.
    first: u64,
    /// `None` stands for what somebody else has put into a broker's stream and nobody can read.
    entries: VecDeque<Option<Arc<Entry>>>,
    /// Of the entries without their copies.
    bytes: usize,
    /// Entries before this sequence number keep no copies.
    shared_from: u64,
    /// Up to where the broker's stream is gone as well; `None` where there is no broker.
    broker_floor: Option<u64>,
    dedup: DedupWindow,
    /// The index of the newest of each topic. `None` until a reader begins with those.
    newest: Option<Box<Newest>>,
    /// Nothing more is added.
    is_sealed: bool,
}

/// What is left of the budget of one read.
struct Room {
    budget: Budget,
    entries: usize,
    bytes: usize,
}

/// Why a position cannot be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// What follows it is gone, or it is of another history. Reading can go on behind `resume`.
    Gone { resume: Id, reason: GapReason },
    /// What follows it is no longer here, and the broker may have it.
    InBroker,
}

/// The most entries that are looked at under one lock, so that a reader who wants few of many does not
/// keep a publisher waiting. For a reader with many filters it is less: see [`scan`].
const SCAN: u64 = 4096;

/// What a notification takes besides its topic and payload: the entry, its place in the ring, the counts of three
/// shared allocations and the allocator's headers.
const FIXED: usize = size_of::<Entry>() + 128;

/// One part in so many of the retained bytes is for encoded copies.
const COPIES_SHARE: usize = 4;

/// How many entries are indexed under one lock while the index of the newest is built. A publisher may wait for that long.
const INDEXED_AT_ONCE: u64 = 1024;

/// How many entries give up their copies when one is added, at the most.
const AGED_AT_ONCE: usize = 64;

/// How many entries are looked at under one lock for a reader of so many filters. To compare an entry with 64
/// filters takes about as long as to compare eight with one.
fn scan(filters: &Filters) -> u64 {
    SCAN / (1 + filters.count() as u64 / 8)
}

impl Log {
    /// An empty log that wakes the waiters whenever it grows.
    pub fn new(epoch: Epoch, retention: Retention, wakers: WakerSet) -> Self {
        let ring = Ring {
            epoch,
            first: 1,
            entries: VecDeque::new(),
            bytes: 0,
            shared_from: 1,
            broker_floor: None,
            dedup: DedupWindow::default(),
            newest: None,
            is_sealed: false,
        };
        // The bytes for copies are not available to notifications.
        let for_copies = retention.bytes / COPIES_SHARE;
        let retention = Retention { bytes: retention.bytes - for_copies, ..retention };
        let copies = Arc::new(Copies::new(for_copies));
        Self { retention, wakers, copies, ring: RwLock::new(ring) }
    }

    /// Adds a notification, evicts what the retention no longer holds, and wakes the readers. Where one with
    /// the same key was added lately, nothing is done, and its id returned. `None` where the log is sealed.
    pub fn append(&self, notification: Notification, key: Option<IdempotencyKey>) -> Option<Id> {
        let id = {
            let mut ring = self.write();
            if ring.is_sealed {
                return None;
            }
            let id = ring.epoch.id(ring.next());
            if let Some(key) = key
                && let Some(seq) = ring.dedup.recall_or_note(key, id.seq)
            {
                return Some(ring.epoch.id(seq));
            }
            ring.push(Some(Arc::new(Entry::counted(id, notification, &self.copies))));
            ring.evict(&self.retention, &self.copies);
            id
        };
        self.wakers.wake_all();
        Some(id)
    }

    /// Goes on with a broker's stream, behind `after`. What the log has stays where that is its end.
    pub(crate) fn follow(&self, tail: &Tail) {
        {
            let mut ring = self.write();
            if ring.epoch != tail.epoch || ring.next() != tail.after + 1 {
                ring.begin_anew(tail.epoch, tail.after + 1);
            }
            ring.broker_floor = Some(tail.floor);
        }
        self.wakers.wake_all();
    }

    /// Adds what has arrived from the broker, in order; false where the log is sealed.
    pub(crate) fn store(&self, arrived: impl IntoIterator<Item = Stored>) -> bool {
        {
            let mut ring = self.write();
            if ring.is_sealed {
                return false;
            }
            for Stored { seq, notification } in arrived {
                // What lies between was taken out of the stream before it could be read.
                if seq > ring.next() {
                    let epoch = ring.epoch;
                    ring.begin_anew(epoch, seq);
                    ring.broker_floor = Some(seq - 1);
                }
                if seq == ring.next() {
                    let id = ring.epoch.id(seq);
                    let entry = |one| Arc::new(Entry::counted(id, one, &self.copies));
                    ring.push(notification.map(entry));
                    ring.evict(&self.retention, &self.copies);
                }
            }
        }
        self.wakers.wake_all();
        true
    }

    /// Takes no more notifications: whoever reads up to the head from now on has read everything there
    /// will ever be.
    pub fn seal(&self) {
        self.write().is_sealed = true;
    }

    /// The history that this log counts.
    pub fn epoch(&self) -> Epoch {
        self.read_ring().epoch
    }

    /// The position of the newest notification; sequence number 0 before the first.
    pub fn head(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.next() - 1)
    }

    /// The position before the oldest notification that can be had: reading from here loses nothing.
    pub fn tail(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.broker_floor.unwrap_or(ring.first - 1))
    }

    /// The position before the oldest notification that is here, and not only in the broker.
    pub fn own_tail(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.first - 1)
    }

    /// Returns the position from which a reader that begins now is sent the newest retained notification of each topic.
    pub fn snapshot(&self) -> Snapshot {
        let head = self.head();
        Snapshot { after: head.epoch.id(0), upto: head.seq }
    }

    /// Whether there is a broker below, so that others may be ahead of this log.
    pub(crate) fn has_broker(&self) -> bool {
        self.read_ring().broker_floor.is_some()
    }

    /// The number of retained notifications and their bytes, as the retention counts them: their encoded copies
    /// included.
    pub fn size(&self) -> (usize, usize) {
        let ring = self.read_ring();
        (ring.entries.len(), ring.bytes + self.copies.bytes())
    }

    /// Builds the index of the newest notification of each topic, unless it is complete. After that the log keeps it up to
    /// date.
    ///
    /// Takes the lock once for each portion, so that publishers wait for one portion at most. Several callers share the
    /// work.
    pub(crate) fn index_newest(&self) {
        let is_complete =
            |ring: &Ring| ring.newest.as_ref().is_some_and(|newest| newest.is_complete(ring.first));
        if is_complete(&self.read_ring()) {
            return;
        }
        while !self.index_portion(INDEXED_AT_ONCE) {
            // Otherwise this thread might take the lock again before those that wait for it.
            std::thread::yield_now();
        }
    }

    /// Adds at most `most` entries to the index of the newest. Returns `true` once the index is complete.
    pub(crate) fn index_portion(&self, most: u64) -> bool {
        let ring = &mut *self.write();
        let (first, next) = (ring.first, ring.next());
        let newest = ring.newest.get_or_insert_with(|| Box::new(Newest::new(first, next)));
        for seq in newest.unseen(ring.first, most) {
            let entry = ring.entries[(seq - ring.first) as usize].as_ref();
            newest.see(seq, entry.map(|entry| entry.notification().topic()));
        }
        newest.is_complete(ring.first)
    }

    /// Calls `look` with the index of the newest, if there is one.
    #[cfg(test)]
    pub(crate) fn look_at_index<T>(&self, look: impl FnOnce(&Newest) -> T) -> Option<T> {
        self.read_ring().newest.as_deref().map(look)
    }

    /// Returns where a reader of the newest can go on if the entries after its position were evicted. Returns `None` if it
    /// would miss the newest of a topic, or if it has no need to move.
    pub(crate) fn after_superseded(&self, from: Snapshot) -> Option<Id> {
        let ring = self.read_ring();
        let Snapshot { after, upto } = from;
        let reached = upto.min(ring.first - 1);
        let newest = ring.newest.as_ref()?;
        // A reader that has read nothing yet begins with what is retained now.
        let loses_none = after.seq == 0 || newest.has_lost_none_after(after.seq);
        let moves = after.epoch == ring.epoch && after.seq < reached;
        (moves && loses_none).then(|| ring.epoch.id(reached))
    }

    /// Removes from these entries of the broker, which are older than those here, each up to `upto` that a later one of its
    /// topic follows, among them or here.
    pub(crate) fn remove_superseded(&self, found: &mut Vec<Arc<Entry>>, upto: u64) {
        let place = |entry: &Arc<Entry>| (entry.notification().topic().clone(), entry.id().seq);
        // Of those of one topic the last stays.
        let last: HashMap<Topic, u64> = found.iter().map(place).collect();
        let ring = self.read_ring();
        found.retain(|entry| {
            let (topic, Id { epoch, seq }) = (entry.notification().topic(), entry.id());
            let is_here = epoch == ring.epoch
                && ring.newest.as_ref().is_some_and(|newest| newest.has_topic(topic));
            seq > upto || (!is_here && last.get(topic) == Some(&seq))
        });
    }

    /// Reads what the seat is interested in after `from`, up to `upto` and within the budget. Returns the sequence number
    /// up to which it has looked, which is less than `upto` if the budget or the scan was used up.
    pub(crate) fn read(
        &self,
        from: Snapshot,
        upto: u64,
        budget: Budget,
        interest: &Interest,
        seat: SeatId,
        mut found: impl FnMut(&Arc<Entry>),
    ) -> Result<u64, Unread> {
        let ring = self.read_ring();
        ring.check(from.after)?;
        let after = from.after.seq;
        let head = upto.min(ring.next() - 1);
        let mut room = Room::new(budget);
        if after < from.upto
            && let Some(newest) = ring.newest_of(interest.filters())
        {
            let end = head.min(from.upto);
            for seq in newest.into_iter().filter(|&seq| after < seq && seq <= end) {
                let Some(entry) = ring.get(seq).filter(|entry| interest.wants(entry, seat)) else {
                    continue;
                };
                if !room.takes(entry) {
                    return Ok(seq - 1);
                }
                found(entry);
            }
            return Ok(end.max(after));
        }
        let end = head.min(after.saturating_add(scan(interest.filters())));
        for seq in after.saturating_add(1)..=end {
            let Some(entry) = ring.get(seq) else { continue };
            if !interest.wants(entry, seat) || (seq <= from.upto && !ring.is_newest(entry)) {
                continue;
            }
            if !room.takes(entry) {
                return Ok(seq - 1);
            }
            found(entry);
        }
        Ok(end.max(after))
    }

    /// The newest retained notification up to `upto` that matches.
    pub(crate) fn newest(&self, filters: &Filters, upto: u64) -> Option<u64> {
        let mut end = upto;
        loop {
            let ring = self.read_ring();
            end = end.min(ring.next() - 1);
            if end < ring.first {
                return None;
            }
            let start = end.saturating_sub(scan(filters) - 1).max(ring.first);
            let matches = |seq: &u64| {
                ring.get(*seq).is_some_and(|one| filters.matches(one.notification().topic()))
            };
            if let Some(found) = (start..=end).rev().find(matches) {
                return Some(found);
            }
            end = start - 1;
        }
    }

    // A panic under this lock could only come from an allocation that fails; the ring is whole even then.
    fn read_ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn new(budget: Budget) -> Self {
        Self { budget, entries: 0, bytes: 0 }
    }

    /// Counts this entry and returns `true`, if it is the first or if there is room for it.
    fn takes(&mut self, entry: &Entry) -> bool {
        let size = entry.notification().size();
        let fits = self.entries < self.budget.entries && self.bytes + size <= self.budget.bytes;
        let is_taken = self.entries == 0 || fits;
        if is_taken {
            self.entries += 1;
            self.bytes += size;
        }
        is_taken
    }
}

impl Ring {
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Returns a retained entry, or `None` if it is unreadable.
    fn get(&self, seq: u64) -> Option<&Arc<Entry>> {
        self.entries[(seq - self.first) as usize].as_ref()
    }

    /// Returns the newest of each topic that matches, oldest first. Returns `None` if a walk over the entries is less work.
    fn newest_of(&self, filters: &Filters) -> Option<Vec<u64>> {
        self.newest.as_ref()?.matching(filters, scan(filters))
    }

    /// Whether what follows a position is here.
    fn check(&self, after: Id) -> Result<(), Unread> {
        let tail = self.epoch.id(self.broker_floor.unwrap_or(self.first - 1));
        if after.epoch != self.epoch {
            return Err(Unread::Gone { resume: tail, reason: GapReason::Epoch });
        }
        if after.seq < tail.seq {
            return Err(Unread::Gone { resume: tail, reason: GapReason::Evicted });
        }
        if after.seq < self.first - 1 { Err(Unread::InBroker) } else { Ok(()) }
    }

    /// Returns `true` if this is the newest of its topic.
    fn is_newest(&self, entry: &Entry) -> bool {
        let topic = entry.notification().topic();
        self.newest.as_ref().is_none_or(|newest| newest.is_newest(entry.id().seq, topic))
    }

    fn push(&mut self, entry: Option<Arc<Entry>>) {
        self.bytes += weight(entry.as_ref());
        if let (Some(newest), Some(entry)) = (&mut self.newest, &entry) {
            newest.added(entry.id().seq, entry.notification().topic());
        }
        self.entries.push_back(entry);
    }

    fn evict(&mut self, retention: &Retention, copies: &Copies) {
        // The newest stays whatever its size: a live reader must be able to get it.
        while self.entries.len() > 1
            && (self.entries.len() > retention.entries || self.bytes > retention.bytes)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= weight(oldest.as_ref());
                self.first += 1;
                if let (Some(newest), Some(oldest)) = (&mut self.newest, oldest) {
                    newest.evicted(oldest.id().seq, oldest.notification().topic());
                }
            }
        }
        if copies.are_many() {
            self.age(copies);
        }
    }

    /// Takes the copies from the oldest entries that keep them, so that the newest find room for theirs. Readers
    /// that hold such an entry share its copies until they let it go.
    fn age(&mut self, copies: &Copies) {
        for _ in 0..AGED_AT_ONCE {
            self.shared_from = self.shared_from.max(self.first);
            // The newest is about to be encoded.
            if self.shared_from + 1 >= self.next() || !copies.are_many() {
                return;
            }
            let index = (self.shared_from - self.first) as usize;
            if let Some(entry) = &mut self.entries[index]
                && let Some(without_copies) = entry.grow_old()
            {
                *entry = Arc::new(without_copies);
            }
            self.shared_from += 1;
        }
    }

    /// Forgets what is here: the next entry is the first.
    fn begin_anew(&mut self, epoch: Epoch, first: u64) {
        self.entries.clear();
        (self.epoch, self.first, self.bytes) = (epoch, first, 0);
        self.shared_from = first;
        if let Some(newest) = &mut self.newest {
            newest.clear(first);
        }
    }
}

fn weight(entry: Option<&Arc<Entry>>) -> usize {
    let Some(entry) = entry else { return 0 };
    let notification = entry.notification();
    let plain = FIXED + notification.topic().as_str().len() + notification.payload().len();
    plain + notification.headers().map_or(0, |headers| Headers::FIXED + headers.size())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(entries: usize, bytes: usize) -> Log {
        Log::new(Epoch::from_number(1), Retention { entries, bytes }, WakerSet::default())
    }

    fn note(topic: &str, size: usize) -> Notification {
        Notification::binary(topic.parse().unwrap(), vec![0; size])
    }

    fn behind(log: &Log, seq: u64) -> Snapshot {
        Snapshot { after: log.epoch().id(seq), upto: 0 }
    }

    const ALL: Budget = Budget { entries: usize::MAX, bytes: usize::MAX };

    proptest! {
        /// The model is a plain vector of everything ever appended and a rule for what is left of it.
        #[test]
        fn the_log_reads_like_its_model(
            published in proptest::collection::vec((0..3_usize, 0..200_usize), 1..80),
            entries in 1..40_usize,
            bytes in 600..20_000_usize,
            after in 0..90_u64,
            wanted in 0..3_usize,
            budget in 1..20_usize,
        ) {
            let topics = ["a", "b", "c"];
            let log = log(entries, bytes);
            let mut model: Vec<(u64, usize, usize)> = Vec::new();
            for (index, &(topic, size)) in published.iter().enumerate() {
                log.append(note(topics[topic], size), None);
                model.push((index as u64 + 1, topic, FIXED + 1 + size));
                while model.len() > 1
                    && (model.len() > entries
                        || model.iter().map(|m| m.2).sum::<usize>() > bytes - bytes / COPIES_SHARE)
                {
                    model.remove(0);
                }
            }
            prop_assert_eq!(log.size(), (model.len(), model.iter().map(|m| m.2).sum()));
            let (first, head) = (model[0].0, published.len() as u64);
            prop_assert_eq!((log.tail().seq, log.head().seq), (first - 1, head));

            let mut read = Vec::new();
            let filter: Filters = topics[wanted].parse().unwrap();
            let budget = Budget { entries: budget, bytes: usize::MAX };
            let reached = log.read(
                behind(&log, after), u64::MAX, budget, &Interest::new(filter), SeatId::default(),
                |entry| read.push(entry.id().seq),
            );
            if after + 1 < first {
                let gone = Unread::Gone { resume: log.tail(), reason: GapReason::Evicted };
                prop_assert_eq!(reached, Err(gone));
            } else {
                let expected: Vec<u64> = model.iter()
                    .filter(|m| m.0 > after && m.1 == wanted).map(|m| m.0)
                    .take(budget.entries).collect();
                prop_assert_eq!(&read, &expected);
                let reached = reached.unwrap();
                // Nothing that matches may lie between the last one read and the position reached.
                prop_assert!(model.iter().all(|m| m.1 != wanted || m.0 <= after
                    || m.0 > reached || expected.contains(&m.0)));
                prop_assert!(reached >= after);
            }
        }
    }

    #[test]
    fn one_notification_larger_than_the_whole_retention_is_kept_until_the_next() {
        let log = log(10, 1000);
        log.append(note("a", 5000), None);
        assert_eq!(log.size().0, 1);
        log.append(note("a", 1), None);
        assert_eq!((log.size().0, log.tail().seq), (1, 1));
    }

    #[test]
    fn headers_count_among_the_retained_bytes() {
        let log = log(10, 100_000);
        log.append(note("a", 10), None);
        let plain = log.size().1;
        let headers = Headers::new().with_event("created").unwrap();
        log.append(note("a", 10).with_headers(headers), None);
        assert_eq!(log.size().1, 2 * plain + Headers::FIXED + "created".len());
    }

    #[test]
    fn a_read_ends_at_the_byte_budget_and_goes_on_from_there() {
        let log = log(100, 1 << 20);
        for _ in 0..5 {
            log.append(note("a", 400), None);
        }
        let budget = Budget { entries: 100, bytes: 1000 };
        let all = Interest::new(">".parse().unwrap());
        let read = |after, budget| {
            log.read(behind(&log, after), 5, budget, &all, SeatId::default(), |_| {})
        };
        assert_eq!([0, 2, 4].map(|after| read(after, budget)), [Ok(2), Ok(4), Ok(5)]);
        assert_eq!(read(5, ALL), Ok(5));
    }

    #[test]
    fn a_reader_of_many_filters_looks_at_fewer_entries_under_one_lock() {
        let log = log(10_000, usize::MAX);
        for _ in 0..5000 {
            log.append(note("a", 0), None);
        }
        let reached = |filters: &str| {
            let interest = Interest::new(filters.parse().unwrap());
            let begin = behind(&log, 0);
            log.read(begin, u64::MAX, ALL, &interest, SeatId::default(), |_| {}).unwrap()
        };
        assert_eq!(reached("b"), 4096);
        assert_eq!(reached(&vec!["b.*"; 64].join(",")), 455);
        let filters = vec!["a"; 64].join(",").parse().unwrap();
        assert_eq!(log.newest(&filters, 5000), Some(5000));
    }
}
