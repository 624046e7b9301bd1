//! The state of a lane that its parts may read.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Hub, Id};
use tokio::time::Instant;

use crate::config::Config;
use crate::response;

/// The current state of a lane. Only the lane changes it.
pub(super) struct Status {
    pub(super) hub: Hub,
    pub(super) settings: Settings,
    /// The lane's position.
    pub(super) position: Id,
    /// The time at which this turn began.
    pub(super) now: Instant,
    /// Whether the hub is closed. Then no further request is read.
    pub(super) is_closing: bool,
}

/// The part of a server's configuration that lanes use.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) write_deadline: Duration,
    pub(super) head_deadline: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) drain: Duration,
    pub(super) max_head: usize,
    /// The lines of a head that keep a connection open.
    pub(super) keep_alive: Bytes,
}

impl Status {
    /// The lane starts at the head of the log.
    pub(super) fn new(config: &Config) -> Self {
        let settings = Settings {
            write_deadline: config.write_deadline,
            head_deadline: config.head_deadline,
            idle_timeout: config.idle_timeout,
            drain: config.drain,
            max_head: config.max_head,
            keep_alive: response::keep_alive(config.idle_timeout),
        };
        let hub = config.hub.clone();
        let position = hub.log().head();
        Self { hub, settings, position, now: Instant::now(), is_closing: false }
    }
}
