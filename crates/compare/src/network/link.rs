//! One direction of a network, without I/O: decides for each packet when it arrives, or why it does not.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Profile;

/// The time for which a value of the jitter applies. If each packet had its own value, a dense sequence of packets would
/// always have the greatest delay, because packets are not reordered.
const JITTER_INTERVAL: Duration = Duration::from_millis(10);

/// One direction of a network. All times that it is given are in order.
#[derive(Debug)]
pub(super) struct Link {
    delay: Duration,
    rate: Option<u64>,
    queue: Duration,
    /// The time from which the link is free for the next packet.
    free: Option<Instant>,
    jitter: Jitter,
    loss: Loss,
    /// The arrival of the last packet.
    arrival: Option<Instant>,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// It arrives at this time.
    Arrives(Instant),
    /// It is lost on its way.
    Lost,
    /// It is dropped because the queue is full.
    Dropped,
}

impl Link {
    /// Returns an empty link. `rate` is in bits per second.
    pub(super) fn new(profile: &Profile, rate: Option<u64>, mut random: Rng) -> Self {
        Self {
            delay: profile.delay,
            rate,
            queue: profile.queue,
            free: None,
            jitter: Jitter::new(profile.jitter, random.fork()),
            loss: Loss::new(profile, random),
            arrival: None,
        }
    }

    /// Sends a packet of this length at this time. Whether it is lost depends only on the seed and on the number of
    /// packets before it. A lost packet occupies the link like any other.
    pub(super) fn send(&mut self, now: Instant, bytes: usize) -> Fate {
        let lost = self.loss.next();
        let start = self.free.map_or(now, |free| free.max(now));
        if start - now > self.queue {
            return Fate::Dropped;
        }
        let sent = start + self.rate.map_or(Duration::ZERO, |rate| time_to_send(bytes, rate));
        self.free = Some(sent);
        if lost {
            return Fate::Lost;
        }
        let arrival = sent + self.delay + self.jitter.at(now);
        let in_order = self.arrival.map_or(arrival, |last| last.max(arrival));
        self.arrival = Some(in_order);
        Fate::Arrives(in_order)
    }
}

/// Returns the time for which a packet occupies a link of this rate, in bits per second.
pub(super) fn time_to_send(bytes: usize, rate: u64) -> Duration {
    Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / rate)
}

/// The part of the delay that varies.
#[derive(Debug)]
struct Jitter {
    most: Duration,
    now: Duration,
    until: Option<Instant>,
    random: Rng,
}

impl Jitter {
    fn new(most: Duration, random: Rng) -> Self {
        Self { most, now: Duration::ZERO, until: None, random }
    }

    fn at(&mut self, now: Instant) -> Duration {
        if !self.most.is_zero() && self.until.is_none_or(|until| until <= now) {
            self.now = self.most.mul_f64(self.random.f64());
            self.until = Some(now + JITTER_INTERVAL);
        }
        self.now
    }
}

/// Gilbert's model of loss: a chain of two states. All packets are lost in one of them, and none in the other.
#[derive(Debug)]
struct Loss {
    /// The probability that a packet is lost after one that was not.
    begins: f64,
    /// The probability that a packet is lost after one that was lost.
    continues: f64,
    lost: bool,
    random: Rng,
}

impl Loss {
    fn new(profile: &Profile, random: Rng) -> Self {
        let (begins, continues) = loss_probabilities(profile);
        Self { begins, continues, lost: false, random }
    }

    fn next(&mut self) -> bool {
        let probability = if self.lost { self.continues } else { self.begins };
        self.lost = self.random.f64() < probability;
        self.lost
    }
}

/// Returns the probabilities that a packet is lost: after one that was not lost, and after one that was.
pub(super) fn loss_probabilities(profile: &Profile) -> (f64, f64) {
    let begins = profile.loss / (profile.burst * (1.0 - profile.loss));
    (begins, 1.0 - 1.0 / profile.burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn link(profile: Profile) -> Link {
        Link::new(&profile, profile.down, Rng::with_seed(7))
    }

    fn arrival(fate: Fate) -> Instant {
        match fate {
            Fate::Arrives(at) => at,
            other => panic!("a packet was {other:?}"),
        }
    }

    #[test]
    fn an_unlimited_link_only_delays() {
        let now = Instant::now();
        let mut link = link(Profile { delay: 300 * MILLI, ..Profile::NONE });
        for bytes in [40, 1_500, 1_500] {
            assert_eq!(link.send(now, bytes), Fate::Arrives(now + 300 * MILLI));
        }
    }

    #[test]
    fn packets_wait_for_those_before_them() {
        let now = Instant::now();
        let kilobyte_a_milli = Some(8_000_000);
        let profile = Profile { delay: MILLI, down: kilobyte_a_milli, ..Profile::NONE };
        let mut link = link(Profile { queue: 2 * MILLI, ..profile });
        assert_eq!(link.send(now, 1_000), Fate::Arrives(now + 2 * MILLI));
        assert_eq!(link.send(now, 500), Fate::Arrives(now + MILLI * 5 / 2));
        // It is free again after 1.5 ms.
        assert_eq!(link.send(now + 10 * MILLI, 1_000), Fate::Arrives(now + 12 * MILLI));
    }

    #[test]
    fn a_full_queue_drops_what_comes_last() {
        let now = Instant::now();
        let profile = Profile { down: Some(8_000_000), queue: 2 * MILLI, ..Profile::NONE };
        let mut link = link(profile);
        for n in 1..=3 {
            assert_eq!(link.send(now, 1_000), Fate::Arrives(now + n * MILLI));
        }
        assert_eq!(link.send(now, 1_000), Fate::Dropped);
        assert_eq!(link.send(now + MILLI, 1_000), Fate::Arrives(now + 4 * MILLI));
    }

    #[test]
    fn jitter_never_reorders_and_stays_in_its_bounds() {
        let start = Instant::now();
        let mut link = link(Profile { delay: 20 * MILLI, jitter: 30 * MILLI, ..Profile::NONE });
        let (mut last, mut least, mut most) = (start, Duration::MAX, Duration::ZERO);
        for n in 0..10_000 {
            let now = start + n * MILLI;
            let arrives = arrival(link.send(now, 100));
            assert!(arrives >= last);
            last = arrives;
            least = least.min(arrives - now);
            most = most.max(arrives - now);
        }
        assert!((20 * MILLI..22 * MILLI).contains(&least), "{least:?}");
        assert!(48 * MILLI < most && most <= 50 * MILLI, "{most:?}");
    }

    #[test]
    fn losses_have_the_rate_and_the_bursts_of_the_profile() {
        let now = Instant::now();
        let mut link = link(Profile { loss: 0.02, burst: 4.0, ..Profile::NONE });
        let packets = 500_000;
        let lost: Vec<bool> = (0..packets).map(|_| link.send(now, 100) == Fate::Lost).collect();
        let losses = lost.iter().filter(|lost| **lost).count() as f64;
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        assert!((0.019..0.021).contains(&(losses / f64::from(packets))), "{losses}");
        assert!((3.8..4.2).contains(&(losses / bursts)), "{losses} in {bursts}");
    }

    #[test]
    fn the_same_packets_are_lost_whenever_they_are_sent() {
        let start = Instant::now();
        let lost = |interval: Duration| -> Vec<bool> {
            let mut link = link(Profile::WIFI);
            let mut send = |n| link.send(start + n * interval, 100) == Fate::Lost;
            (0..5_000).map(&mut send).collect()
        };
        assert_eq!(lost(MILLI), lost(3 * MILLI));
        assert!(lost(MILLI).contains(&true));
    }
}
