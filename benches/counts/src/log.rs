//! Into the log, and out of it.

use std::hint::black_box;

use tidings_core::{
    Budget, Cursor, Hub, HubConfig, Interest, Kept, Notification, Retention, SeatId,
};

use crate::mark::counted;
use crate::material::{json, topic};

/// How many notifications the log retains.
const FULL: usize = 1000;

/// Each pushes another one out.
pub(crate) fn publish_evicting() {
    let hub = full();
    let notifications = vec![notification(); FULL];
    counted(|| {
        for notification in notifications {
            hub.publish(notification).now().expect("it has no broker").expect("it is open");
        }
    });
    assert_eq!(hub.log().tail().seq, 2 * FULL as u64, "each has evicted one");
}

/// As a client does that comes back to a full log.
pub(crate) fn read_1000() {
    let hub = full();
    let interest = Interest::new("orders.*".parse().expect("a filter"));
    let budget = Budget { entries: FULL, bytes: usize::MAX };
    let mut cursor = Cursor::at(hub.log().tail());
    let mut events = Vec::with_capacity(FULL);
    let mut kept = Kept::Broker;
    counted(|| {
        let head = hub.log().head();
        kept = cursor.read(hub.log(), &interest, SeatId::default(), head, budget, &mut events);
    });
    assert_eq!(kept, Kept::Log);
    assert_eq!(black_box(events).len(), FULL);
}

/// A hub whose log has begun to evict.
fn full() -> Hub {
    let retention = Retention { entries: FULL, bytes: usize::MAX };
    let hub = Hub::new(HubConfig { retention, ..HubConfig::default() });
    for _ in 0..2 * FULL {
        hub.publish(notification()).now().expect("it has no broker").expect("it is open");
    }
    hub
}

fn notification() -> Notification {
    Notification::text(topic(), json())
}
