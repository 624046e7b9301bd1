//! A tail, whose messages arrive late and in portions, and which can be interrupted.

use std::collections::VecDeque;

use fastrand::Rng;
use futures::stream::{self, BoxStream, StreamExt};
use tidings_core::BrokerError;
use tidings_core::broker::Stored;
use tokio::time::sleep;

use super::broker::{SharedBroker, away};
use super::faults::chance;

/// How a tail is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Error,
    HangUp,
}

pub(super) struct Arrivals {
    broker: SharedBroker,
    number: usize,
    history: usize,
    after: u64,
    rng: Rng,
    portion: VecDeque<Stored>,
}

impl Arrivals {
    pub(super) fn new(
        broker: SharedBroker,
        number: usize,
        history: usize,
        after: u64,
        rng: Rng,
    ) -> Self {
        Self { broker, number, history, after, rng, portion: VecDeque::new() }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Stored, BrokerError>> {
        let next = async |arrivals: Option<Self>| {
            let mut arrivals = arrivals?;
            match arrivals.next().await {
                Ok(stored) => Some((Ok(stored), Some(arrivals))),
                Err(Ending::Error) => Some((Err(away("the tail was interrupted")), None)),
                Err(Ending::HangUp) => None,
            }
        };
        stream::unfold(Some(self), next).boxed()
    }

    async fn next(&mut self) -> Result<Stored, Ending> {
        loop {
            if let Some(stored) = self.portion.pop_front() {
                return Ok(stored);
            }
            self.wait().await;
            let (delay, ending) = {
                let state = self.broker.state();
                (state.fault_rates.delay(&mut self.rng), state.endings[self.number])
            };
            sleep(delay).await;
            // Messages that were sent before the interruption may or may not arrive.
            if let Some(ending) = ending
                && (chance(&mut self.rng, 70) || !self.has_more())
            {
                return Err(ending);
            }
            self.take_portion();
        }
    }

    async fn wait(&self) {
        let broker = self.broker.clone();
        let mut news = std::pin::pin!(broker.news().notified());
        news.as_mut().enable();
        if self.broker.state().endings[self.number].is_none() && !self.has_more() {
            news.await;
        }
    }

    fn has_more(&self) -> bool {
        self.broker.state().histories[self.history].head() > self.after
    }

    fn take_portion(&mut self) {
        let state = self.broker.state();
        let history = &state.histories[self.history];
        let from = self.after.max(history.floor);
        let most = if self.rng.bool() { 3 } else { 40 };
        self.after = (from + self.rng.u64(1..=most)).min(history.head());
        self.portion.extend((from + 1..=self.after).map(|seq| history.stored(seq)));
    }
}
