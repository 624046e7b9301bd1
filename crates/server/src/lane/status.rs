//! What the parts of a lane may know of it.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Hub, Id};
use tokio::time::Instant;

use crate::answer;
use crate::config::Config;

/// The state of a lane at this moment. Only the lane changes it.
pub(super) struct Status {
    pub(super) hub: Hub,
    pub(super) settings: Settings,
    /// Up to here the lane has served every client that keeps up.
    pub(super) position: Id,
    /// When this turn began.
    pub(super) now: Instant,
    /// Whether the hub is closed, so that no further request is read.
    pub(super) is_closing: bool,
}

/// The part of a server's configuration that lanes use.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) write_deadline: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) drain: Duration,
    pub(super) max_head: usize,
    /// The lines of a head that keep a connection open.
    pub(super) keep_alive: Bytes,
}

impl Status {
    /// The state of a lane that has just started, at the head of the log.
    pub(super) fn new(config: &Config) -> Self {
        let settings = Settings {
            write_deadline: config.write_deadline,
            idle_timeout: config.idle_timeout,
            drain: config.drain,
            max_head: config.max_head,
            keep_alive: answer::keep_alive(config.idle_timeout),
        };
        let hub = config.hub.clone();
        let position = hub.log().head();
        Self { hub, settings, position, now: Instant::now(), is_closing: false }
    }
}
