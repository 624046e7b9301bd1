//! A look at the stream: which history it has, and whether that is still the one this node saw.

use std::sync::LazyLock;

use redis::Script;
use tidings_core::{BrokerError, Epoch};

use super::connection::Connection;

/// The stream as a look finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) epoch: Epoch,
    pub(super) head: u64,
    /// Up to here entries may be of an earlier epoch.
    pub(super) base: u64,
    /// Up to here everything is gone.
    pub(super) floor: u64,
}

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("look.lua")));

impl Connection {
    /// Looks, and gives the stream an epoch where it has none or its sequence has gone back: in one step, so
    /// that all nodes agree.
    pub(super) async fn look(&self) -> Result<Look, BrokerError> {
        let seen = self.witness.seen();
        let (stamp_seq, stamp_time) = seen.stamp.unwrap_or((0, 0));
        let mut call = LOOK.key(&self.keys.log);
        call.key(&self.keys.meta).arg(Epoch::random().to_string()).arg(seen.epoch.to_string());
        call.arg(seen.head).arg(stamp_seq).arg(stamp_time);
        let asked = self.ask(async |mut wire| call.invoke_async(&mut wire).await).await;
        let (epoch, head, base, floor): (String, u64, u64, u64) =
            asked.map_err(|error| self.error(&error))?;
        let epoch = self.epoch(&epoch)?;
        self.witness.follow(epoch);
        Ok(Look { epoch, head, base, floor })
    }

    pub(super) fn epoch(&self, text: &str) -> Result<Epoch, BrokerError> {
        let fault = |_| {
            let problem = format!("its epoch {text:?} is none: delete the key {}", self.keys.meta);
            crate::fault::refused(&self.broker, problem)
        };
        text.parse().map_err(fault)
    }
}
