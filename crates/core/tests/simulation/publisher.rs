//! A publisher: publishes one notification after the other, and retries most of them until they are stored.

use std::time::Duration;

use fastrand::Rng;
use tidings_core::{Id, IdempotencyKey, Notification};
use tokio::time::{Instant, sleep, timeout};

use super::broker::SharedBroker;
use super::faults::chance;
use super::hubs::{Hubs, PUBLISH_DEADLINE};
use super::record::Record;

pub(crate) struct Publisher {
    pub(crate) number: usize,
    pub(crate) hubs: Hubs,
    pub(crate) broker: SharedBroker,
    pub(crate) record: Record,
    pub(crate) rng: Rng,
}

const TOPICS: [&str; 6] = ["a", "b", "a.x", "a.y", "b.x", "b.x.z"];

impl Publisher {
    pub(crate) async fn publish(mut self, count: usize) {
        for index in 0..count {
            sleep(Duration::from_millis(self.rng.u64(0..60))).await;
            if chance(&mut self.rng, 20) {
                let notification = self.notification(index);
                self.try_once(&notification, None).await;
            } else {
                self.publish_surely(index).await;
            }
        }
    }

    /// Retries with the same key until the notification is stored.
    pub(crate) async fn publish_surely(&mut self, index: usize) {
        let notification = self.notification(index);
        let text = notification.as_text().unwrap_or_default();
        let key: IdempotencyKey = text.parse().expect("these are keys");
        while !self.try_once(&notification, Some(&key)).await {
            sleep(Duration::from_millis(self.rng.u64(0..200))).await;
        }
    }

    fn notification(&mut self, index: usize) -> Notification {
        let topic = self.rng.choice(TOPICS).unwrap_or("a");
        let topic = topic.parse().expect("these are topics");
        Notification::text(topic, format!("{}.{index}", self.number))
    }

    async fn try_once(
        &mut self,
        notification: &Notification,
        key: Option<&IdempotencyKey>,
    ) -> bool {
        let Some(hub) = self.hubs.any(&mut self.rng) else { return false };
        let (begun, publishing) =
            (Instant::now(), hub.publish_once(notification.clone(), key.cloned()));
        drop(hub);
        // Some publishers are disconnected before they get their response.
        let patience = if chance(&mut self.rng, 5) { self.rng.u64(0..30) } else { u64::MAX };
        let Ok(outcome) = timeout(Duration::from_millis(patience), publishing).await else {
            self.record.count("publishers cut off");
            return false;
        };
        let took = begun.elapsed();
        if took > PUBLISH_DEADLINE + Duration::from_millis(2) {
            self.record.fail(format!("a publish took {took:?}"));
        }
        match outcome {
            Ok(id) => self.check(id, notification),
            Err(_) => self.record.count("publishes failed"),
        }
        outcome.is_ok()
    }

    fn check(&self, id: Id, notification: &Notification) {
        let state = self.broker.state();
        let stored = state.history(id.epoch).and_then(|(_, history)| history.at(id.seq));
        if stored != Some(notification) {
            self.record.fail(format!("{notification:?} got the id {id}, which is {stored:?}"));
        }
    }
}
