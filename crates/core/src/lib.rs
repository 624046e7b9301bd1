//! The heart of tidings: **one log, many cursors**, and no network.
//!
//! ```text
//! Source ─► Hub::publish ─► Log (Id, Arc<Entry>, wake the waiters) ─► Subscription::next ─► Event
//! ```
//!
//! A [`Hub`] keeps one bounded [`Log`] of notifications. A subscriber is a [`Cursor`] into it, so live delivery, resume
//! after a lost connection, long-polling and back-pressure are one operation: *give me what matches after my cursor*. A
//! slow client costs one integer, not a queue. When the log has evicted what a client reads next, the client gets a
//! [`Gap`]. Each notification is encoded once for each wire [`Format`], and all clients share the bytes.
//!
//! ```
//! use tidings_core::{Event, Filters, Hub, Interest, Notification};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::default();
//! let mut orders = hub.subscribe("example", Interest::new("orders.*".parse()?))?;
//!
//! hub.publish(Notification::text("orders.new".parse()?, "seven teapots")).await?;
//!
//! let Some(Event::Deliver(entry)) = orders.next().await else { panic!("no delivery") };
//! assert_eq!(entry.notification().payload(), "seven teapots");
//! # Ok(())
//! # }
//! ```

mod arrivals;
pub mod broker;
mod broker_link;
mod config;
mod containment;
mod copies;
mod cursor;
mod dedup_window;
mod entry;
mod event;
mod fetch;
mod filter_index;
mod headers;
mod heartbeat;
mod hub;
mod id;
mod interest;
mod log;
mod log_limit;
mod notification;
mod pattern;
mod pool;
mod presence;
mod publishing;
mod seat;
mod session;
mod source;
mod subscription;
mod topic;
mod waker_set;

pub use broker::{BrokerError, IdempotencyKey, ParseKeyError};
pub use config::{HubConfig, Limits, Retention};
pub use entry::{Entry, Format};
pub use event::{Event, Gap, GapReason, Reason};
pub use headers::{
    Header, Headers, MAX_CONTENT_TYPE_BYTES, MAX_EVENT_NAME_BYTES, MAX_TIME, MAX_TRACESTATE_BYTES,
    ParseHeaderError,
};
pub use heartbeat::Heartbeat;
pub use hub::Hub;
pub use id::{Epoch, Id, ParseIdError, Position, Snapshot};
pub use interest::{Interest, SlowPolicy};
pub use log::Log;
pub use notification::{InvalidUtf8, Kind, Notification};
pub use pattern::{MAX_FILTER_TOKENS, MAX_STARS};
pub use pool::{ClientPool, JoinError};
pub use presence::{Presence, PresenceChange};
pub use publishing::{PublishError, Publishing};
pub use seat::{Seat, SeatId, SeatInfo};
pub use session::Session;
pub use source::{OnEmpty, OnEnd, Source};
pub use subscription::Subscription;
pub use topic::{Filter, Filters, MAX_FILTERS, MAX_TOPIC_BYTES, ParseTopicError, Topic};

use broker::{Broker, Replay, Start, Stored, Tail};
use cursor::{Budget, Cursor, Kept};
use fetch::Fetched;
use log_limit::LogLimit;
use waker_set::{Waiter, WakerSet};

/// Items for servers that serve many clients on one thread, as the lanes of `tidings-server` do. Other readers use a
/// [`Subscription`].
pub mod driver {
    pub use crate::cursor::{Budget, Cursor, Kept};
    pub use crate::fetch::Fetched;
    pub use crate::filter_index::FilterIndex;
    pub use crate::heartbeat::{Beat, Pulse};
    pub use crate::log_limit::LogLimit;
    pub use crate::waker_set::{Waiter, WakerSet};
}
