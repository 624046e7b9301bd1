//! Compresses the answers to polls.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The length from which an answer is compressed. The headers of a shorter one are most of its bytes.
const MIN_ANSWER: usize = 256;

/// The longest answer that is compressed, because a lane should not stop for long: 64 KiB take about half a millisecond.
const MAX_ANSWER: usize = 64 << 10;

/// The most answers that are kept, and their bytes, plain and compressed.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 4 << 20;

/// The newest compressed answers. Polls with the same position and filters get the same answer, at different times, so
/// it is compressed for the first of them.
#[derive(Debug, Default)]
pub(super) struct Answers {
    newest: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    answers: VecDeque<Answer>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    plain: Bytes,
    /// `None` if it would not be shorter.
    compressed: Option<Bytes>,
}

impl Answer {
    fn size(&self) -> usize {
        self.plain.len() + self.compressed.as_ref().map_or(0, Bytes::len)
    }
}

impl Answers {
    /// The gzip body for this answer. `None` if it is short or very long, or would not become shorter.
    pub(super) fn compress(&self, plain: &Bytes) -> Option<Bytes> {
        if !(MIN_ANSWER..=MAX_ANSWER).contains(&plain.len()) {
            return None;
        }
        let find = |newest: &Newest| {
            let found = newest.answers.iter().rev().find(|answer| answer.plain == plain);
            found.map(|answer| answer.compressed.clone())
        };
        if let Some(found) = find(&self.newest.lock().unwrap_or_else(PoisonError::into_inner)) {
            return found;
        }
        // Without the lock, so that other lanes do not wait for it.
        let compressed = gzip(plain).filter(|compressed| compressed.len() < plain.len());
        let answer = Answer { plain: plain.clone(), compressed: compressed.clone() };
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.bytes += answer.size();
        newest.answers.push_back(answer);
        while (newest.bytes > KEPT_BYTES || newest.answers.len() > KEPT)
            && let Some(oldest) = newest.answers.pop_front()
        {
            newest.bytes -= oldest.size();
        }
        compressed
    }
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
