//! The compressed notifications for one encoder and one interest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_core::{Entry, Event, Id};
use tokio::time::Instant;

use super::context::Context;
use super::gzip;
use super::registry::{Key, Registry};
use crate::{Compression, Encoder};

/// The compressed notifications for one encoder and one interest: the newest chunks, and the history of the next one.
///
/// The first reader that needs a notification compresses it, and the others share the chunk.
#[derive(Debug)]
pub struct CompressedStream {
    key: Key,
    encoder: Arc<dyn Encoder>,
    compression: Compression,
    registry: Arc<Registry>,
    state: Mutex<State>,
}

/// The place of a reader in a stream. It is in sync if it has a place, and otherwise waits for a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the next chunk.
    next: Option<u64>,
}

/// Encoded events.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Encoded {
    /// What the clients are sent.
    pub bytes: Bytes,
    /// The same bytes before compression, for [`GzipBody::record`](super::GzipBody::record). Empty for
    /// [`Compression::Messages`], which has no checksum.
    pub plain: Bytes,
}

/// The clients that need a notification. All of them are at one place.
struct Readers<'a> {
    place: &'a mut Place,
    clients: usize,
}

#[derive(Debug)]
struct State {
    /// `None` for a stream without recent notifications, and for one that has got no context.
    context: Option<Context>,
    chunks: VecDeque<Chunk>,
    /// The memory of all chunks.
    size: usize,
    /// The number of the chunk after the last one.
    end: u64,
    /// The number of chunks since the last reset, and its time.
    since_reset: u32,
    reset_at: Instant,
    /// How many notifications clients without sync were sent since the last reset.
    waited: usize,
    /// The number of the chunk after the last one when such a client was sent one. It may have left since.
    waited_at: u64,
    used_at: Instant,
    /// The last notification for which no context was free.
    declined: Option<Id>,
    /// The deflated bytes of the last chunk. Kept so that its memory is used again.
    deflated: Vec<u8>,
}

#[derive(Debug)]
struct Chunk {
    entry: Id,
    bytes: Bytes,
    /// Whether it begins without a history.
    is_reset: bool,
    /// The clients that were sent it.
    clients: usize,
}

/// The memory of the newest chunks, which are kept for slower readers.
const CHUNK_BYTES: usize = 128 << 10;

/// The memory of a chunk besides its bytes: its place in the queue, which may be half empty, and the header of its
/// allocation.
const CHUNK_OVERHEAD: usize = 2 * size_of::<Chunk>() + 64;

/// Longer encodings are not compressed, because a lane should not stop for long: 16 KiB take about half a millisecond.
const MAX_PLAIN: usize = 16 << 10;

impl Place {
    /// Returns `true` if the reader was sent each chunk since the last reset.
    pub fn is_in_sync(self) -> bool {
        self.next.is_some()
    }
}

impl CompressedStream {
    pub(super) fn new(
        key: Key,
        encoder: Arc<dyn Encoder>,
        compression: Compression,
        registry: Arc<Registry>,
    ) -> Self {
        let now = Instant::now();
        let state = State {
            context: None,
            chunks: VecDeque::new(),
            size: 0,
            end: 0,
            since_reset: 0,
            reset_at: now,
            waited: 0,
            waited_at: 0,
            used_at: now,
            declined: None,
            deflated: Vec::new(),
        };
        Self { key, encoder, compression, registry, state: Mutex::new(state) }
    }

    /// Returns how the stream is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Encodes these events for this number of clients, which all are at this place, and moves the place after them.
    /// `position` is the position of the clients after the events.
    ///
    /// For [`Compression::Body`], an event that is not a notification ends the sync, because its bytes are not in the
    /// history.
    pub fn encode(
        self: &Arc<Self>,
        events: &[Event],
        position: Id,
        place: &mut Place,
        clients: usize,
    ) -> Encoded {
        let mut readers = Readers { place, clients };
        if let [event] = events {
            return self.encode_one(event, position, &mut readers);
        }
        let (mut bytes, mut plain) = (BytesMut::new(), BytesMut::new());
        for event in events {
            let encoded = self.encode_one(event, position, &mut readers);
            bytes.extend_from_slice(&encoded.bytes);
            plain.extend_from_slice(&encoded.plain);
        }
        Encoded { bytes: bytes.freeze(), plain: plain.freeze() }
    }

    /// Locks the stream for one event only, so that other lanes do not wait for a whole pass, and share the work.
    fn encode_one(
        self: &Arc<Self>,
        event: &Event,
        position: Id,
        readers: &mut Readers<'_>,
    ) -> Encoded {
        let is_body = self.compression == Compression::Body;
        if let Event::Deliver(entry) = event
            && !self.is_excluded(entry)
        {
            let plain = self.encoder.plain(entry);
            if plain.len() <= MAX_PLAIN
                && let Some(bytes) = self.chunk(&mut self.lock(), entry, &plain, readers)
            {
                return Encoded { bytes, plain: if is_body { plain } else { Bytes::new() } };
            }
        }
        let plain = self.encoder.encode(std::slice::from_ref(event), position);
        if !is_body {
            // Messages that are not compressed are not added to the history (RFC 7692, section 7.2.3).
            return Encoded { bytes: plain, plain: Bytes::new() };
        }
        *readers.place = Place::default();
        Encoded { bytes: gzip::stored(&plain), plain }
    }

    fn is_excluded(&self, entry: &Entry) -> bool {
        self.registry.config.excludes(entry.notification().topic())
    }

    /// The chunk of this notification. `None` if the clients must be sent it plain.
    fn chunk(
        self: &Arc<Self>,
        state: &mut State,
        entry: &Entry,
        plain: &[u8],
        readers: &mut Readers<'_>,
    ) -> Option<Bytes> {
        let clients = readers.clients;
        if let Some(next) = readers.place.next {
            if next == state.end {
                return self.append(state, entry, plain, readers);
            }
            if let Some(chunk) = state.chunk(next)
                && chunk.entry == entry.id()
            {
                readers.place.next = Some(next + 1);
                chunk.clients += clients;
                return Some(chunk.bytes.clone());
            }
            // The reader was too slow, or another one has read other notifications.
            readers.place.next = None;
        }
        let found = state.chunks.iter().rposition(|chunk| chunk.entry == entry.id());
        if let Some(index) = found
            && state.chunks[index].is_reset
        {
            readers.place.next = Some(state.first() + index as u64 + 1);
            let chunk = &mut state.chunks[index];
            chunk.clients += clients;
            return Some(chunk.bytes.clone());
        }
        let is_at_end = state.is_at_end(entry.id());
        // A reader of older notifications does not wait for a reset. It must catch up first.
        if is_at_end || found.is_some() {
            state.waited += clients;
            state.waited_at = state.end;
        }
        let begins = is_at_end && (state.context.is_none() || self.is_reset_due(state));
        if begins { self.append(state, entry, plain, readers) } else { None }
    }

    /// Whether the next chunk begins with a reset, for clients that wait for one.
    fn is_reset_due(&self, state: &State) -> bool {
        let config = &self.registry.config;
        // A client that still waits was sent one of the last two notifications.
        state.waited > 0
            && state.end <= state.waited_at + 2
            && (state.waited >= state.clients_in_sync()
                || state.since_reset >= config.reset_after
                || state.reset_at.elapsed() >= config.reset_interval)
    }

    /// Compresses a notification as the next chunk. `None` if the stream gets no context.
    fn append(
        self: &Arc<Self>,
        state: &mut State,
        entry: &Entry,
        plain: &[u8],
        readers: &mut Readers<'_>,
    ) -> Option<Bytes> {
        let is_reset = state.context.is_none() || self.is_reset_due(state);
        if state.context.is_none() {
            // Each lane keeps the stream, and so does each client that is not on a lane, which reads alone.
            let clients = readers.clients * Arc::strong_count(self);
            state.context = self.registry.context(self, clients);
        }
        state.used_at = Instant::now();
        // If the encoder panics, the context is lost, and the next chunk begins with a reset.
        let Some(mut context) = state.context.take() else {
            *readers.place = Place::default();
            if state.declined.replace(entry.id()) != Some(entry.id()) {
                self.registry.count_without_context();
            }
            return None;
        };
        if is_reset {
            context.reset();
            (state.since_reset, state.waited, state.reset_at) = (0, 0, state.used_at);
        }
        state.deflated.clear();
        context.deflate(plain, &mut state.deflated);
        let bytes = self.encoder.compressed(entry, &state.deflated);
        state.since_reset += 1;
        let (entry, clients) = (entry.id(), readers.clients);
        state.push(Chunk { entry, bytes: bytes.clone(), is_reset, clients });
        state.context = Some(context);
        readers.place.next = Some(state.end);
        Some(bytes)
    }

    /// Gives back the context if the stream has not been used for `idle`. `true` if it did.
    pub(super) fn release_if_idle(&self, now: Instant, idle: Duration) -> bool {
        // A stream whose lock is held is not idle.
        let Ok(mut state) = self.state.try_lock() else { return false };
        let is_idle = now - state.used_at >= idle;
        is_idle && state.release()
    }

    /// The number of clients in sync of a stream that has a context.
    pub(super) fn readers_of_context(&self) -> Option<usize> {
        let state = self.state.try_lock().ok()?;
        state.context.is_some().then(|| state.clients_in_sync())
    }

    /// The number of the chunks that are kept, and their memory.
    #[cfg(test)]
    pub(super) fn newest(&self) -> (usize, usize) {
        let chunks = &self.lock().chunks;
        let heap = chunks.iter().map(|chunk| chunk.bytes.len() + 64).sum::<usize>();
        (chunks.len(), heap + chunks.capacity() * size_of::<Chunk>())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CompressedStream {
    fn drop(&mut self) {
        self.registry.remove(&self.key);
    }
}

impl Chunk {
    /// The memory that it takes.
    fn size(&self) -> usize {
        self.bytes.len() + CHUNK_OVERHEAD
    }
}

impl State {
    /// Drops the context and the chunks. `true` if there was a context. Readers at the end stay in sync, because the
    /// next chunk begins with a reset.
    fn release(&mut self) -> bool {
        self.chunks = VecDeque::new();
        self.size = 0;
        self.deflated = Vec::new();
        self.context.take().is_some()
    }

    /// The number of the first chunk that is kept.
    fn first(&self) -> u64 {
        self.end - self.chunks.len() as u64
    }

    fn chunk(&mut self, number: u64) -> Option<&mut Chunk> {
        let index = number.checked_sub(self.first())?;
        self.chunks.get_mut(usize::try_from(index).ok()?)
    }

    /// Whether this notification comes after that of the last chunk.
    fn is_at_end(&self, id: Id) -> bool {
        self.chunks
            .back()
            .is_none_or(|last| last.entry.epoch != id.epoch || last.entry.seq < id.seq)
    }

    /// How many clients were sent one of the last chunks. The last one may not have been sent to all of them yet.
    fn clients_in_sync(&self) -> usize {
        self.chunks.iter().rev().take(2).map(|chunk| chunk.clients).max().unwrap_or(0)
    }

    fn push(&mut self, chunk: Chunk) {
        self.size += chunk.size();
        while self.size > CHUNK_BYTES
            && let Some(first) = self.chunks.pop_front()
        {
            self.size -= first.size();
        }
        self.chunks.push_back(chunk);
        self.end += 1;
    }
}
