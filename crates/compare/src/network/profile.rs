//! Named networks and their numbers.

use std::time::Duration;

/// How a network treats packets. Delay, jitter, loss and queue apply to each direction on its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Profile {
    /// The name on the command line and in reports.
    pub(crate) name: &'static str,
    /// The least time from sender to receiver, half of a round trip. The time for which a packet occupies a link of
    /// limited rate is added.
    pub(crate) delay: Duration,
    /// The most that is added to the delay. It changes at random every 10 ms, evenly distributed from 0. Packets are
    /// never reordered.
    pub(crate) jitter: Duration,
    /// The fraction of packets that are lost, from 0 to less than 1.
    pub(crate) loss: f64,
    /// The mean number of packets lost in a row, at least 1. Losses are independent of each other if it is
    /// `1 / (1 - loss)`.
    pub(crate) burst: f64,
    /// The rate from server to clients, in bits of IP packets per second. `None` if it is not limited.
    pub(crate) down: Option<u64>,
    /// The rate from clients to server, in bits of IP packets per second. `None` if it is not limited.
    pub(crate) up: Option<u64>,
    /// The longest time for which a packet waits until a link of limited rate is free. A packet that would wait longer
    /// is dropped.
    pub(crate) queue: Duration,
}

impl Profile {
    /// Nothing is shaped. It counts the bytes on the wire.
    pub(crate) const NONE: Self = Self {
        name: "none",
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        burst: 1.0,
        down: None,
        up: None,
        queue: Duration::ZERO,
    };

    /// Fibre to the home, and a server in the same country. The numbers are chosen: a round trip of 10 ms is about
    /// 700 km of fibre and some routers. Such lines hardly lose packets and have little jitter.
    pub(crate) const FIBRE: Self = Self {
        name: "fibre",
        delay: Duration::from_millis(5),
        jitter: Duration::from_micros(500),
        down: Some(300_000_000),
        up: Some(100_000_000),
        queue: Duration::from_millis(50),
        ..Self::NONE
    };

    /// A phone with LTE. Rate, round trip (70 ms) and absence of loss are those of WebPageTest's profile "LTE"
    /// (`connectivity.ini.sample`). The radio link repeats lost packets, which takes 8 ms each time (3GPP TS 36.321, HARQ
    /// with FDD) and appears as jitter. The queue is chosen.
    pub(crate) const MOBILE_4G: Self = Self {
        name: "4g",
        delay: Duration::from_millis(35),
        jitter: Duration::from_millis(8),
        down: Some(12_000_000),
        up: Some(12_000_000),
        queue: Duration::from_millis(200),
        ..Self::NONE
    };

    /// Wi-Fi at the edge of its range, in front of a fibre line. The numbers are chosen: what the radio link still loses
    /// after its repetitions is lost in bursts, which is Gilbert's model (Bell System Technical Journal 39, 1960).
    pub(crate) const WIFI: Self = Self {
        name: "wifi",
        delay: Duration::from_millis(8),
        jitter: Duration::from_millis(10),
        loss: 0.02,
        burst: 4.0,
        down: Some(20_000_000),
        up: Some(10_000_000),
        queue: Duration::from_millis(200),
    };

    /// A geostationary satellite. The propagation alone takes up to 279 ms in each direction (RFC 2488, section 2), and
    /// typical round trips take 600 ms. The rates, and the absence of loss, are those of the satellite variant of the QUIC
    /// interop runner ("Performance of QUIC Implementations Over Geostationary Satellite Links", 2022). The queue is chosen.
    pub(crate) const SATELLITE: Self = Self {
        name: "satellite",
        delay: Duration::from_millis(300),
        down: Some(20_000_000),
        up: Some(2_000_000),
        queue: Duration::from_millis(300),
        ..Self::NONE
    };

    /// All named profiles, from the best to the slowest network.
    pub(crate) const ALL: [&Self; 5] =
        [&Self::NONE, &Self::FIBRE, &Self::MOBILE_4G, &Self::WIFI, &Self::SATELLITE];

    /// Returns the profile with this name, or `None` if there is none.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_is_found_by_its_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::named(profile.name), Some(profile));
        }
        assert_eq!(Profile::named("5g"), None);
    }
}
