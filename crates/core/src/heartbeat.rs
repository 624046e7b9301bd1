//! When a quiet client is spoken to, and when a silent one is given up.

use std::time::Duration;

/// The heartbeat policy of a hub.
///
/// The default, 25 s and 3 strikes, suits the open internet: proxies and mobile networks forget a quiet
/// connection after 30 to 60 seconds. The WebSocket tutorial's 5 s finds a dead peer sooner and costs five
/// times the writes.
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
    /// The time between two heartbeats to one client. Default 25 s.
    pub interval: Duration,
    /// How many heartbeats may go unanswered, on a transport where a client can answer. Default 3.
    pub strikes: u8,
}

/// How many heartbeats one client has left unanswered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    unanswered: u8,
}

/// What to do when a client's interval is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send it a heartbeat.
    Send,
    /// It left too many unanswered: let it go.
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

    /// Changes how many heartbeats may go unanswered.
    pub fn strikes(self, strikes: u8) -> Self {
        Self { strikes, ..self }
    }
}

impl Pulse {
    /// The interval is over.
    pub fn beat(&mut self, policy: &Heartbeat) -> Beat {
        if self.unanswered >= policy.strikes {
            return Beat::GiveUp;
        }
        self.unanswered += 1;
        Beat::Send
    }

    /// The client gave a sign of life: any byte will do.
    pub fn heard(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_forgives_every_strike() {
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
