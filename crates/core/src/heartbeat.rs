//! How often a client is sent a heartbeat, and when one that does not answer is disconnected.

use std::time::Duration;

/// The heartbeat policy of a hub. The default, 25 s and 3 strikes, suits the open internet: proxies and mobile
/// networks drop an idle connection after 30 to 60 seconds. A shorter interval detects a lost peer sooner, and costs
/// more writes.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::Heartbeat;
/// use tidings_core::driver::{Beat, Pulse};
///
/// let policy = Heartbeat::default().interval(Duration::from_secs(5)).strikes(2);
/// let mut pulse = Pulse::default();
/// assert_eq!(pulse.beat(&policy), Beat::Send);
/// assert_eq!(pulse.beat(&policy), Beat::Send);
/// assert_eq!(pulse.beat(&policy), Beat::GiveUp);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// The time between two heartbeats to one client. Default 25 s. A heartbeat is also sent between notifications,
    /// unless the client is catching up from the log.
    pub interval: Duration,
    /// How many heartbeats may stay unanswered, on transports on which clients can answer. Default 3.
    pub strikes: u8,
}

/// Counts the heartbeats that one client has not answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    unanswered: u8,
}

/// What to do after an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a heartbeat to the client.
    Send,
    /// Disconnect the client, because too many heartbeats are unanswered.
    GiveUp,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Duration::from_secs(25), strikes: 3 }
    }
}

impl Heartbeat {
    /// Changes the time between two heartbeats to one client.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Changes how many heartbeats may stay unanswered.
    pub fn strikes(self, strikes: u8) -> Self {
        Self { strikes, ..self }
    }
}

impl Pulse {
    /// Returns what to do after an interval. Must be called after each one.
    pub fn beat(&mut self, policy: &Heartbeat) -> Beat {
        if self.unanswered >= policy.strikes {
            return Beat::GiveUp;
        }
        self.unanswered += 1;
        Beat::Send
    }

    /// Must be called when anything is received from the client. Resets the count.
    pub fn heard(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_received_resets_the_strikes() {
        let policy = Heartbeat { strikes: 2, ..Heartbeat::default() };
        let mut pulse = Pulse::default();
        for _ in 0..10 {
            assert_eq!(pulse.beat(&policy), Beat::Send);
            assert_eq!(pulse.beat(&policy), Beat::Send);
            pulse.heard();
        }
        assert_eq!(pulse.beat(&policy), Beat::Send);
        assert_eq!(pulse.beat(&policy), Beat::Send);
        assert_eq!(pulse.beat(&policy), Beat::GiveUp);
    }
}
