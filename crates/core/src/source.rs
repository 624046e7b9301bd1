//! A source of notifications: work that runs while clients are connected.

use std::fmt::Display;
use std::time::Duration;

use tokio::sync::watch;

use crate::Hub;
use crate::pool::Occupancy;

/// Runs work when the first client joins, once, even if many clients join at the same time.
///
/// By default the work keeps running when the last client leaves, and is not started again after it has ended.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use tidings_core::{Hub, Interest, Notification, Source};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::default();
/// let topic: tidings_core::Topic = "clock".parse()?;
/// tokio::spawn(Source::default().run(hub.clone(), async move |hub: Hub| {
///     let notification = Notification::text(topic.clone(), "tick");
///     hub.publish(notification).await?;
///     Ok::<_, tidings_core::PublishError>(())
/// }));
/// let mut clock = hub.subscribe("example", Interest::new("clock".parse()?))?;
/// assert!(clock.next().await.is_some(), "the first client started it");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// What happens when the last client leaves.
    pub on_empty: OnEmpty,
    /// What happens when the work ends.
    pub on_end: OnEnd,
}

/// What happens when the last client leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEmpty {
    /// The work continues, so that clients that resume get what they missed.
    #[default]
    Keep,
    /// The work is dropped after no client was connected for this time, and is started again when the next client
    /// joins. Use at least a few seconds, because long-polling clients are not connected between two polls.
    StopAfter(Duration),
}

/// What happens when the work ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEnd {
    /// It is not started again.
    #[default]
    Finish,
    /// If it ended with an error, it is started again after this delay, once a client is connected.
    RestartOnError(Duration),
    /// It is started again after this delay, once a client is connected.
    Restart(Duration),
}

impl Source {
    /// Waits for the first client and runs the future that `start` returns, until the work has ended and is not started
    /// again, or the hub is closed. Spawn it as a task.
    ///
    /// Cancel safe: dropping the future drops the work.
    pub async fn run<E: Display>(self, hub: Hub, mut start: impl AsyncFnMut(Hub) -> Result<(), E>) {
        let mut arrivals = hub.pool().occupancy();
        let mut departures = hub.pool().occupancy();
        let mut served = 0;
        while wait_for_client(&mut arrivals, &mut served).await {
            let delay = tokio::select! {
                ended = start(hub.clone()) => {
                    if let Err(error) = &ended {
                        tracing::warn!(%error, "the notification source failed");
                    }
                    match (self.on_end, ended) {
                        (OnEnd::Restart(delay), _) | (OnEnd::RestartOnError(delay), Err(_)) => delay,
                        (OnEnd::RestartOnError(_), Ok(())) | (OnEnd::Finish, _) => return,
                    }
                }
                () = self.wait_until_unneeded(&mut departures) => Duration::ZERO,
            };
            // Clients that joined and left while the work ran do not start it again.
            served = departures.borrow().occupations;
            tokio::time::sleep(delay).await;
        }
    }

    async fn wait_until_unneeded(self, occupancy: &mut watch::Receiver<Occupancy>) {
        loop {
            let now = *occupancy.borrow_and_update();
            match self.on_empty {
                _ if now.is_closed => return,
                OnEmpty::StopAfter(patience) if !now.is_occupied => {
                    if tokio::time::timeout(patience, occupancy.changed()).await.is_err() {
                        return;
                    }
                }
                OnEmpty::StopAfter(_) | OnEmpty::Keep => {
                    if occupancy.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Waits until a client is connected, or was connected since the work last ran. `false` if the hub is closed.
async fn wait_for_client(occupancy: &mut watch::Receiver<Occupancy>, served: &mut u64) -> bool {
    let has_come = |now: &Occupancy| now.is_occupied || now.occupations > *served || now.is_closed;
    let Ok(now) = occupancy.wait_for(has_come).await.map(|now| *now) else { return false };
    *served = now.occupations;
    !now.is_closed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{JoinError, Reason};

    /// Spawns a source that counts its starts and then runs until it is dropped.
    fn counting(source: Source, hub: &Hub) -> Arc<AtomicUsize> {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        tokio::spawn(source.run(hub.clone(), async move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<(), JoinError>>().await
        }));
        starts
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_clients_at_once_start_the_work_once() {
        let hub = Hub::default();
        let starts = counting(Source::default(), &hub);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(starts.load(Ordering::Relaxed), 0, "no client is connected");

        let joins: Vec<_> = (0..1000)
            .map(|_| {
                let hub = hub.clone();
                tokio::spawn(async move { hub.join("sse") })
            })
            .collect();
        let seats = futures::future::join_all(joins).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((starts.load(Ordering::Relaxed), hub.pool().len()), (1, 1000));
        drop(seats);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_left_before_the_source_looked_has_started_it() {
        let hub = Hub::default();
        let starts = counting(Source::default(), &hub);
        drop(hub.join("long-polling").unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(starts.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_work_stops_without_clients_and_starts_again_with_the_next() {
        let hub = Hub::default();
        let on_empty = OnEmpty::StopAfter(Duration::from_secs(5));
        let starts = counting(Source { on_empty, ..Source::default() }, &hub);

        for (away, expected) in [(0, 1), (4, 1), (4, 1), (6, 2), (60, 3)] {
            tokio::time::sleep(Duration::from_secs(away)).await;
            let seat = hub.join("sse").unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(starts.load(Ordering::Relaxed), expected, "after {away} s");
            drop(seat);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(starts.load(Ordering::Relaxed), 3, "no client has joined since");
    }

    #[tokio::test(start_paused = true)]
    async fn the_work_is_restarted_after_an_error_and_not_after_success() {
        let hub = Hub::default();
        let _seat = hub.join("sse").unwrap();
        let mut runs = 0;
        let on_end = OnEnd::RestartOnError(Duration::from_secs(1));
        let begun = tokio::time::Instant::now();
        let source = Source { on_end, ..Source::default() };
        source
            .run(hub.clone(), async |_| {
                runs += 1;
                if runs < 3 { Err(JoinError::Full { limit: 0 }) } else { Ok(()) }
            })
            .await;
        assert_eq!((runs, begun.elapsed()), (3, Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_the_hub_ends_the_work() {
        let hub = Hub::default();
        let _seat = hub.join("sse").unwrap();
        let running = Source::default()
            .run(hub.clone(), async |_| std::future::pending::<Result<(), JoinError>>().await);
        tokio::join!(running, async { hub.close(Reason::GoingAway) });
    }
}
