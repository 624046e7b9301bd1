//! A key of the node's own, where the publisher gave none: what is tried again must not be stored twice.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A key that nobody else makes: random for the process, then counted.
pub(crate) fn random_key() -> String {
    static NODE: OnceLock<(u64, u64)> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (one, two) = NODE.get_or_init(|| (random(), random()));
    format!("{one:016x}{two:016x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The clock is the fallback where the system has no randomness to give.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| since.as_nanos() as u64)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_keys_are_the_same_and_each_is_sound() {
        let (one, other) = (super::random_key(), super::random_key());
        assert_ne!(one, other);
        assert!(one.parse::<tidings_core::IdempotencyKey>().is_ok());
    }
}
