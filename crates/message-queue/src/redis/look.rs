//! Reads the state of the stream, and checks whether it is still the stream that this hub has seen.

use std::sync::LazyLock;

use redis::Script;
use tidings_core::{BrokerError, Epoch};

use super::connection::Connection;

/// The state of the stream at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) epoch: Epoch,
    pub(super) head: u64,
    /// The sequence number up to which entries may be of an earlier epoch.
    pub(super) base: u64,
    /// The sequence number up to which every entry has been removed.
    pub(super) floor: u64,
}

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("look.lua")));

impl Connection {
    /// Reads the state of the stream. Gives the stream a new epoch if it has none or if its sequence has gone back.
    /// Both happen in one script, so that all hubs agree.
    pub(super) async fn look(&self) -> Result<Look, BrokerError> {
        let seen = self.witness.seen();
        let (stamp_seq, stamp_time) = seen.stamp.unwrap_or((0, 0));
        let mut call = LOOK.key(&self.keys.log);
        call.key(&self.keys.meta).arg(Epoch::random().to_string()).arg(seen.epoch.to_string());
        call.arg(seen.head).arg(stamp_seq).arg(stamp_time);
        let requested = self.request(async |mut wire| call.invoke_async(&mut wire).await).await;
        let (epoch, head, base, floor): (String, u64, u64, u64) =
            requested.map_err(|error| self.error(&error))?;
        let epoch = self.epoch(&epoch)?;
        self.witness.follow(epoch);
        Ok(Look { epoch, head, base, floor })
    }

    pub(super) fn epoch(&self, text: &str) -> Result<Epoch, BrokerError> {
        let fault = |_| {
            let problem = format!("invalid epoch {text:?}: delete the key {}", self.keys.meta);
            crate::fault::rejected(&self.broker, problem)
        };
        text.parse().map_err(fault)
    }
}
