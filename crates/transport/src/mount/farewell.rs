//! The end of a server that mounts transports.

use std::time::Duration;

use tidings_core::{Hub, Reason};
use tokio::time::{sleep, timeout};

/// How often the seats are counted.
const LOOK: Duration = Duration::from_millis(10);

/// Closes the hub, so that every client is told goodbye, and waits until the last one has left its seat, or
/// for `patience`. Returns how many are still there.
///
/// A server's own graceful shutdown does not do this: an upgraded connection is no longer the server's to
/// wait for, and a client that has stopped reading would keep it waiting for ever.
///
/// Cancel safe: the hub stays closed.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::{Hub, Reason};
/// use tidings_transport::mount::farewell;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = Hub::default();
/// assert_eq!(farewell(&hub, Reason::GoingAway, Duration::from_secs(5)).await, 0);
/// # }
/// ```
pub async fn farewell(hub: &Hub, reason: Reason, patience: Duration) -> usize {
    hub.close(reason);
    let gone = async {
        while !hub.pool().is_empty() {
            sleep(LOOK).await;
        }
    };
    // Whether it was in time is what the count says.
    let _ = timeout(patience, gone).await;
    hub.pool().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Event, Interest};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_those_who_listen_and_not_for_ever_for_those_who_do_not() {
        let hub = Hub::default();
        let mut listens = hub.subscribe("sse", Interest::new(">".parse().unwrap())).unwrap();
        let told = tokio::spawn(async move { listens.next().await });
        let patience = Duration::from_secs(5);
        let begun = Instant::now();
        assert_eq!(farewell(&hub, Reason::GoingAway, patience).await, 0);
        assert!(begun.elapsed() < patience);
        assert!(matches!(told.await.unwrap(), Some(Event::Goodbye(Reason::GoingAway))));

        let hub = Hub::default();
        let _deaf = hub.join("sse").unwrap();
        let begun = Instant::now();
        assert_eq!(farewell(&hub, Reason::GoingAway, patience).await, 1);
        assert_eq!(begun.elapsed(), patience);
    }
}
