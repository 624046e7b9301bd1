//! The compressed streams of a hub.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Event, Interest};
use tokio::time::Instant;

use super::answers::Answers;
use super::context::{Context, Contexts};
use super::{CompressedStream, CompressionConfig};
use crate::Encoder;

/// Compresses what the clients of one hub are sent. Clients with the same encoder and interest share a
/// [`CompressedStream`].
///
/// Cloning is cheap, and the clones are equal. Use one compressor for each hub. Otherwise the notifications of two hubs
/// are in one history, so the lengths of one hub's notifications reveal something about the other's (see "What
/// compression reveals" in the documentation of the protocol).
#[derive(Clone, Debug)]
pub struct Compressor(Arc<Registry>);

/// The streams with at least one reader, and the contexts that they share.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) config: CompressionConfig,
    contexts: Contexts,
    streams: Mutex<HashMap<Key, Weak<CompressedStream>>>,
    /// The streams that have a context. Some may have been dropped.
    holders: Mutex<Vec<Weak<CompressedStream>>>,
    /// When contexts were last taken back from streams.
    reclaimed_at: Mutex<Instant>,
    /// The notifications that were not compressed because no context was free.
    without_context: AtomicU64,
    answers: Answers,
}

/// The key of a stream. The stream keeps the encoder, so no other encoder can have the same address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    encoder: usize,
    interest: Interest,
}

/// How often contexts are taken back at most, because that looks at each stream with a context.
const RECLAIM: Duration = Duration::from_secs(1);

/// A stream that has not been used for this time is idle, and gives back its context.
const IDLE: Duration = Duration::from_secs(5);

impl Compressor {
    /// Creates a compressor without streams.
    pub fn new(config: CompressionConfig) -> Self {
        let contexts = Contexts::new(config.contexts);
        Self(Arc::new(Registry {
            config,
            contexts,
            streams: Mutex::default(),
            holders: Mutex::default(),
            reclaimed_at: Mutex::new(Instant::now()),
            without_context: AtomicU64::new(0),
            answers: Answers::default(),
        }))
    }

    /// Returns the stream for clients with this encoder and interest, or `None` if the encoder does not
    /// [compress](Encoder::compression).
    ///
    /// All clients of a stream have the same filters, so each of them is authorized to read everything that the stream
    /// contains.
    pub fn stream(
        &self,
        encoder: &Arc<dyn Encoder>,
        interest: &Interest,
    ) -> Option<Arc<CompressedStream>> {
        let compression = encoder.compression()?;
        let key = Key { encoder: Arc::as_ptr(encoder).addr(), interest: interest.clone() };
        let mut streams = self.0.streams();
        if let Some(stream) = streams.get(&key).and_then(Weak::upgrade) {
            return Some(stream);
        }
        let (encoder, registry) = (encoder.clone(), self.0.clone());
        let stream = Arc::new(CompressedStream::new(key.clone(), encoder, compression, registry));
        streams.insert(key, Arc::downgrade(&stream));
        Some(stream)
    }

    /// Returns an answer to a poll as a gzip body, or `None` if it is sent plain, because it is short or has a topic
    /// that is [excluded](CompressionConfig::exclude). `plain` is the encoding of `events`.
    pub fn answer(&self, events: &[Event], plain: &Bytes) -> Option<Bytes> {
        let is_excluded = |event: &Event| match event {
            Event::Deliver(entry) => self.0.config.excludes(entry.notification().topic()),
            _ => false,
        };
        if events.iter().any(is_excluded) {
            return None;
        }
        self.0.answers.compress(plain)
    }

    /// Returns the number of streams that are compressed now. Streams that are idle give back their contexts first.
    pub fn contexts(&self) -> usize {
        self.0.release_idle(Instant::now());
        self.0.contexts.used()
    }

    /// Returns how many notifications were sent plain because no context was free. Each counts once for each stream that
    /// needed it.
    pub fn without_context(&self) -> u64 {
        self.0.without_context.load(Ordering::Relaxed)
    }
}

impl PartialEq for Compressor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Compressor {}

impl Hash for Compressor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Registry {
    /// Creates a context for a stream with this number of readers. If none is free, contexts are taken back first, from
    /// streams that are idle or have less than half as many readers. `None` if there is none.
    ///
    /// The caller may hold the lock of its own stream, and no other one.
    pub(super) fn context(
        &self,
        stream: &Arc<CompressedStream>,
        readers: usize,
    ) -> Option<Context> {
        let created = self.contexts.create().or_else(|| {
            self.reclaim(readers);
            self.contexts.create()
        });
        if created.is_some() {
            let mut holders = self.holders();
            holders.retain(|holder| holder.strong_count() > 0);
            holders.push(Arc::downgrade(stream));
        }
        created
    }

    pub(super) fn count_without_context(&self) {
        self.without_context.fetch_add(1, Ordering::Relaxed);
    }

    fn reclaim(&self, readers: usize) {
        let now = Instant::now();
        // If another stream takes contexts back now, this one is sent plain meanwhile.
        let Ok(mut reclaimed_at) = self.reclaimed_at.try_lock() else { return };
        if now - *reclaimed_at < RECLAIM {
            return;
        }
        *reclaimed_at = now;
        if self.release_idle(now) > 0 {
            return;
        }
        let mut holders = self.holders();
        let sizes = holders
            .iter()
            .enumerate()
            .filter_map(|(index, holder)| Some((holder.upgrade()?.readers_of_context()?, index)));
        if let Some((few, index)) = sizes.min()
            && few < readers / 2
            && let Some(smallest) = holders[index].upgrade()
            && smallest.release_if_idle(now, Duration::ZERO)
        {
            holders.swap_remove(index);
        }
    }

    /// Takes back the contexts of idle streams. Returns their number.
    fn release_idle(&self, now: Instant) -> usize {
        let mut released = 0;
        self.holders().retain(|holder| {
            let Some(stream) = holder.upgrade() else { return false };
            let is_idle = stream.release_if_idle(now, IDLE);
            released += usize::from(is_idle);
            !is_idle
        });
        released
    }

    /// Removes a stream that is dropped.
    pub(super) fn remove(&self, key: &Key) {
        let mut streams = self.streams();
        // A new stream may have taken the key.
        if streams.get(key).is_some_and(|stream| stream.strong_count() == 0) {
            streams.remove(key);
        }
    }

    fn holders(&self) -> MutexGuard<'_, Vec<Weak<CompressedStream>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<Key, Weak<CompressedStream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
