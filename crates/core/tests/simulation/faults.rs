//! How often things fail.

use std::time::Duration;

use fastrand::Rng;

/// How often each failure occurs, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRates {
    /// A publish does not reach the broker.
    lost: u32,
    /// A publish is stored, and the response is an error.
    answer_lost: u32,
    /// A publish is stored, and there is no response.
    unanswered: u32,
    /// A request for a tail or a replay fails.
    fails: u32,
    /// A request or a response is slow.
    slow: u32,
    /// A slow reader pauses before its next event.
    pub(crate) reader_pauses: u32,
}

/// The outcome of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Lost,
    AnswerLost,
    Unanswered,
}

impl FaultRates {
    pub(crate) const NONE: Self =
        Self { lost: 0, answer_lost: 0, unanswered: 0, fails: 0, slow: 0, reader_pauses: 0 };

    pub(crate) fn random(rng: &mut Rng) -> Self {
        let severity = rng.u32(0..=4);
        let mut rate = |most: u32| rng.u32(0..=most * severity);
        Self {
            lost: rate(3),
            answer_lost: rate(3),
            unanswered: rate(1),
            fails: rate(5),
            slow: rate(2),
            reader_pauses: rate(5),
        }
    }

    pub(crate) fn fate(&self, rng: &mut Rng) -> Fate {
        let die = rng.u32(0..100);
        match die {
            _ if die < self.lost => Fate::Lost,
            _ if die < self.lost + self.answer_lost => Fate::AnswerLost,
            _ if die < self.lost + self.answer_lost + self.unanswered => Fate::Unanswered,
            _ => Fate::Answered,
        }
    }

    pub(crate) fn fails(&self, rng: &mut Rng) -> bool {
        chance(rng, self.fails)
    }

    pub(crate) fn delay(&self, rng: &mut Rng) -> Duration {
        let most = if chance(rng, self.slow) { 1500 } else { 15 };
        Duration::from_millis(rng.u64(0..=most))
    }
}

impl Fate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "publishes with a response",
            Self::Lost => "publishes lost",
            Self::AnswerLost => "responses lost",
            Self::Unanswered => "publishes without a response",
        }
    }
}

pub(crate) fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(0..100) < percent
}
