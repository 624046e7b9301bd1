//! The idempotency key of a publish that has none. The broker needs one, because a publish that is tried again must
//! not be stored twice.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A unique key: a random number of this process, and a counter.
pub(crate) fn random_key() -> String {
    static NODE: OnceLock<(u64, u64)> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (one, two) = NODE.get_or_init(|| (random(), random()));
    format!("{one:016x}{two:016x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A random number, or the time if the system has no source of randomness.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| since.as_nanos() as u64)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_differ_and_are_valid() {
        let (one, other) = (super::random_key(), super::random_key());
        assert_ne!(one, other);
        assert!(one.parse::<tidings_core::IdempotencyKey>().is_ok());
    }
}
