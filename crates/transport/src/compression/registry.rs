//! The compressed streams of a hub.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
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
/// Cloning is cheap, and the clones are equal. Use one compressor for each hub: the notifications of two hubs would be in
/// one history, and with that, their lengths would reveal more (see "What compression reveals" in the documentation of
/// the protocol).
#[derive(Clone, Debug)]
pub struct Compressor(Arc<Registry>);

/// The streams with at least one reader, and the contexts that they share.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) config: CompressionConfig,
    contexts: Contexts,
    streams: Mutex<HashMap<Key, Weak<CompressedStream>>>,
    /// When contexts were last taken back from streams.
    reclaimed_at: Mutex<Instant>,
    answers: Answers,
}

/// The key of a stream. The stream keeps the encoder, so no other encoder can have the same address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    encoder: usize,
    interest: Interest,
}

/// How often contexts are taken back at most, because it looks at each stream.
const RECLAIM: Duration = Duration::from_secs(1);

/// A stream that has not been used for this time gives back its context if another stream needs one.
const IDLE: Duration = Duration::from_secs(5);

impl Compressor {
    /// Creates a compressor without streams.
    pub fn new(config: CompressionConfig) -> Self {
        let contexts = Contexts::new(config.contexts);
        Self(Arc::new(Registry {
            config,
            contexts,
            streams: Mutex::default(),
            reclaimed_at: Mutex::new(Instant::now()),
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

    /// Returns the number of streams that are compressed now.
    pub fn contexts(&self) -> usize {
        self.0.contexts.used()
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
    pub(super) fn context(&self, readers: usize) -> Option<Context> {
        if let Some(context) = self.contexts.create() {
            return Some(context);
        }
        self.reclaim(readers);
        self.contexts.create()
    }

    fn reclaim(&self, readers: usize) {
        let now = Instant::now();
        // If another stream takes contexts back now, this one is sent plain meanwhile.
        let Ok(mut reclaimed_at) = self.reclaimed_at.try_lock() else { return };
        if now - *reclaimed_at < RECLAIM {
            return;
        }
        *reclaimed_at = now;
        // Dropping a stream takes the lock of the map.
        let streams: Vec<_> = self.streams().values().filter_map(Weak::upgrade).collect();
        let released = streams.iter().filter(|stream| stream.release_if_idle(now, IDLE)).count();
        if released > 0 {
            return;
        }
        let smallest = streams
            .iter()
            .filter_map(|stream| Some((stream.readers_of_context()?, stream)))
            .min_by_key(|(readers, _)| *readers);
        if let Some((few, stream)) = smallest
            && few < readers / 2
        {
            stream.release_if_idle(now, Duration::ZERO);
        }
    }

    /// Removes a stream that is dropped.
    pub(super) fn remove(&self, key: &Key) {
        let mut streams = self.streams();
        // A new stream may have taken the key.
        if streams.get(key).is_some_and(|stream| stream.strong_count() == 0) {
            streams.remove(key);
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<Key, Weak<CompressedStream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
