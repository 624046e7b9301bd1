//! How bad it is at the moment.

use std::time::Duration;

use fastrand::Rng;

/// How often things go wrong, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// A publish never comes to the broker.
    lost: u32,
    /// It is stored, and the answer is an error.
    answer_lost: u32,
    /// It is stored, and no answer comes.
    unanswered: u32,
    /// A tail or a replay is not to be had.
    fails: u32,
    /// The way to the broker or back is a long one.
    slow: u32,
    /// A reader pauses before its next event.
    pub(crate) dawdles: u32,
}

/// What becomes of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Lost,
    AnswerLost,
    Unanswered,
}

impl Weather {
    pub(crate) const CALM: Self =
        Self { lost: 0, answer_lost: 0, unanswered: 0, fails: 0, slow: 0, dawdles: 0 };

    /// From nearly calm to a storm.
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let storm = rng.u32(0..=4);
        let mut upto = |most: u32| rng.u32(0..=most * storm);
        Self {
            lost: upto(3),
            answer_lost: upto(3),
            unanswered: upto(1),
            fails: upto(5),
            slow: upto(2),
            dawdles: upto(5),
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
            Self::Answered => "publishes answered",
            Self::Lost => "publishes lost",
            Self::AnswerLost => "answers lost",
            Self::Unanswered => "publishes unanswered",
        }
    }
}

/// Whether the die falls within so many percent.
pub(crate) fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(0..100) < percent
}
