//! A lane: the connections of one worker thread, and the pass that serves all of their clients.
//!
//! ```text
//! epoll event ─► Connection::on_readable / on_writable / on_timer ─► Next ─► Lane::apply
//! new entries ─► FanOut::pass (Connection::join_pass) ─► sends ─► Connection::on_sent ─► Next ─► Lane::apply
//! ```
//!
//! The parts return what happens next, and only `impl Lane` performs it. `turn` has the lane and the order of a turn,
//! `sockets` reads, `delivery` runs passes, and `admission` has how connections come and go. All of them end in
//! `Lane::apply`, in `apply`: the only match over a `Next`. `Connection` does no I/O, `FanOut` sends nothing, and
//! `catch_up` returns bytes.
//!
//! A lane is itself a reader of the log. A client that has taken everything is where the lane is, and costs a pass one
//! send. A client whose socket is full has a cursor of its own; nothing is copied for it.

mod accept;
mod admission;
mod apply;
mod balancer;
mod catch_up;
mod client;
mod connection;
mod delivery;
mod drain;
mod epoll;
mod fan_out;
mod group;
mod handle;
mod input;
mod next;
mod output;
mod peer;
mod pending;
mod sender;
mod sockets;
mod status;
mod subscription;
mod timeout;
mod timers;
mod turn;

pub(crate) use self::balancer::{Balancer, Inbox};
pub(crate) use self::handle::Handle;

/// Whether this program has lanes.
pub(crate) const IS_BUILT: bool = true;
