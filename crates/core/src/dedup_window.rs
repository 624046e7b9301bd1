//! Recent idempotency keys, so that a publish that is retried is stored once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::IdempotencyKey;

/// The keys of the last [`WINDOW`], at most [`MAX_KEYS`], with the sequence numbers of their notifications.
#[derive(Debug, Default)]
pub(crate) struct DedupWindow {
    by_key: HashMap<IdempotencyKey, u64>,
    in_order: VecDeque<(Instant, IdempotencyKey)>,
}

/// How long a key is kept, as by JetStream's default.
const WINDOW: Duration = Duration::from_secs(120);

/// The maximum number of keys. With the full length, they take 20 to 40 MB.
const MAX_KEYS: usize = 65_536;

impl DedupWindow {
    /// Looks up the sequence number that was published with this key. If there is none, stores `seq`.
    pub(crate) fn get_or_insert(&mut self, key: IdempotencyKey, seq: u64) -> Option<u64> {
        let now = Instant::now();
        self.expire(now);
        if let Some(&seq) = self.by_key.get(&key) {
            return Some(seq);
        }
        self.in_order.push_back((now, key.clone()));
        self.by_key.insert(key, seq);
        None
    }

    /// Removes keys that are too old, and one if there are too many.
    fn expire(&mut self, now: Instant) {
        while let Some((inserted, _)) = self.in_order.front()
            && (self.in_order.len() >= MAX_KEYS || now.duration_since(*inserted) > WINDOW)
        {
            if let Some((_, key)) = self.in_order.pop_front() {
                self.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> IdempotencyKey {
        number.to_string().parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_kept_for_two_minutes() {
        let mut window = DedupWindow::default();
        assert_eq!(window.get_or_insert(key(1), 7), None);
        tokio::time::advance(WINDOW).await;
        assert_eq!(window.get_or_insert(key(1), 8), Some(7));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(window.get_or_insert(key(1), 9), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_keys_is_limited() {
        let mut window = DedupWindow::default();
        for number in 0..MAX_KEYS + 10 {
            window.get_or_insert(key(number), number as u64);
        }
        assert_eq!((window.by_key.len(), window.in_order.len()), (MAX_KEYS, MAX_KEYS));
        assert_eq!(window.get_or_insert(key(MAX_KEYS), 0), Some(MAX_KEYS as u64));
    }
}
