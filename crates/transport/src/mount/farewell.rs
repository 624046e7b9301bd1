//! The shutdown of an application that mounts transports.

use std::time::Duration;

use tidings_core::{Hub, Reason};
use tokio::time::{sleep, timeout};

/// How often the seats are counted.
const LOOK: Duration = Duration::from_millis(10);

/// Closes the hub, which sends each client a goodbye, and waits until every client has left its seat, but not longer
/// than `patience`. The result is the number of clients that are left.
///
/// Call this before the graceful shutdown of the HTTP server. That does not wait for upgraded connections, and it never
/// ends if a client has stopped reading.
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
    // The count shows whether all have left in time.
    let _ = timeout(patience, gone).await;
    hub.pool().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Event, Interest};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_clients_that_read_but_not_longer_than_patience_for_others() {
        let hub = Hub::default();
        let mut reader = hub.subscribe("sse", Interest::new(">".parse().unwrap())).unwrap();
        let received = tokio::spawn(async move { reader.next().await });
        let patience = Duration::from_secs(5);
        let begun = Instant::now();
        assert_eq!(farewell(&hub, Reason::GoingAway, patience).await, 0);
        assert!(begun.elapsed() < patience);
        assert!(matches!(received.await.unwrap(), Some(Event::Goodbye(Reason::GoingAway))));

        let hub = Hub::default();
        let _stalled = hub.join("sse").unwrap();
        let begun = Instant::now();
        assert_eq!(farewell(&hub, Reason::GoingAway, patience).await, 1);
        assert_eq!(begun.elapsed(), patience);
    }
}
