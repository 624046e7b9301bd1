//! Appending to the log and reading it.

use tidings_core::driver::{Budget, Cursor, Kept};
use tidings_core::{Hub, HubConfig, Interest, Notification, Retention, SeatId};

use crate::Work;
use crate::material::{json, topic};

/// How many notifications the log retains.
const FULL: usize = 1000;

/// Publishes to a full log. The operations are the evicted notifications.
pub(crate) fn publish_evicting() -> Work {
    let hub = full();
    let before = hub.log().floor().seq;
    let mut notifications = vec![notification(); FULL];
    Box::new(move || {
        for notification in std::mem::take(&mut notifications) {
            hub.publish(notification)
                .try_outcome()
                .expect("the hub has no broker")
                .expect("the hub is open");
        }
        (hub.log().floor().seq - before) as usize
    })
}

/// Reads a full log, as a client that resumes does. The operations are the notifications.
pub(crate) fn read_1000() -> Work {
    let hub = full();
    let interest = Interest::new("orders.*".parse().expect("a filter"));
    let budget = Budget { entries: FULL, bytes: usize::MAX };
    let mut cursor = Cursor::at(hub.log().floor());
    let mut events = Vec::with_capacity(FULL);
    Box::new(move || {
        let head = hub.log().head();
        let kept = cursor.read(hub.log(), &interest, SeatId::default(), head, budget, &mut events);
        if kept == Kept::Log { events.len() } else { 0 }
    })
}

fn full() -> Hub {
    let retention = Retention::default().entries(FULL).bytes(usize::MAX);
    let hub = Hub::new(HubConfig::default().retention(retention));
    for _ in 0..2 * FULL {
        hub.publish(notification())
            .try_outcome()
            .expect("the hub has no broker")
            .expect("the hub is open");
    }
    hub
}

fn notification() -> Notification {
    Notification::text(topic(), json())
}
