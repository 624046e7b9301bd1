//! The result, as the parent reads it.

use serde::Serialize;

/// One line of JSON. Every key is always there; null is where there is nothing to tell.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Notifications that a client which was due them received, each once.
    pub(crate) deliveries: u64,
    /// Notifications that a client was due and did not receive until the end, or until patience ended.
    pub(crate) lost: u64,
    /// Further copies of what a client has had, and what was not for it.
    pub(crate) duplicated: u64,
    /// Deliveries that came behind a later one.
    pub(crate) reordered: u64,
    /// Publishes that were answered.
    pub(crate) publishes: u64,
    /// Clients that are connected and have been answered.
    pub(crate) connections: u64,
    /// What clients asked, each poll too, and publishes that were answered.
    pub(crate) requests: u64,
    /// What clients received, heads and heartbeats too.
    pub(crate) bytes: u64,
    /// How long the measured part took.
    pub(crate) wall_ns: u64,
    /// The CPU time of this program in it.
    pub(crate) cpu_ns: u64,
    /// From when a publish should have been sent to when a client's read had brought its stamp.
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) p999_ns: Option<u64>,
}
