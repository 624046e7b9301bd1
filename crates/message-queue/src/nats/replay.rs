//! Reading what is older, once.

use tidings_core::{BrokerError, Budget, Filters, GapReason, Id, Replay};
use tokio::time::Instant;

use super::connection::Connection;
use super::message::stored;
use super::pull::{Pull, Want};
use crate::overlap::disjoint;
use crate::replay::Reading;

/// The most messages that are asked for at once: what lies beyond the budget comes for nothing.
const BATCH: usize = 512;
/// A server of before this one takes one filter.
const SEVERAL_FILTERS: (i64, i64, i64) = (2, 10, 0);

impl Connection {
    pub(super) async fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> Result<Replay, BrokerError> {
        let look = self.look().await?;
        let gone = |floor: u64, reason| Replay::Gone { resume: look.epoch.id(floor), reason };
        let (floor, head) = (look.state.floor(), look.state.last_seq);
        if after.epoch != look.epoch || after.seq > head {
            return Ok(gone(floor, GapReason::Epoch));
        }
        if after.seq < floor {
            return Ok(gone(floor, GapReason::Evicted));
        }
        let upto = upto.min(head);
        let mut reading = Reading::new(filters, after.seq, upto, budget);
        if !reading.is_over() {
            self.read(&mut reading, filters, after.seq, budget).await?;
            // What was removed while we read may have gone before it was read.
            let floor = self.stream().await?.state.floor();
            if floor > after.seq {
                return Ok(gone(floor, GapReason::Evicted));
            }
        }
        Ok(reading.finish())
    }

    async fn read(
        &self,
        reading: &mut Reading<'_>,
        filters: &Filters,
        after: u64,
        budget: Budget,
    ) -> Result<(), BrokerError> {
        let until = Instant::now() + self.config.request_deadline;
        let batch = budget.entries.clamp(1, BATCH) as u64;
        let opened = Pull::open(self, after, &self.subjects(filters), batch).await;
        let mut pull = opened.map_err(|fault| self.error(fault))?;
        let mut pending = pull.pending;
        while pending > 0 && !reading.is_over() && Instant::now() < until {
            let Some((place, message)) = pull.next(self, &Want::WhatIsThere).await? else { break };
            pending = place.pending;
            reading.look_at(stored(&self.config.stream, place.seq, &message));
        }
        if pending == 0 {
            reading.nothing_is_left();
        }
        pull.close(self).await;
        Ok(())
    }

    /// What the server is to look for; nothing where it cannot, and everything is matched here.
    fn subjects(&self, filters: &Filters) -> Vec<String> {
        let (major, minor, patch) = SEVERAL_FILTERS;
        let takes_several = self.client().is_server_compatible(major, minor, patch);
        let is_one = filters.iter().count() == 1;
        if filters.match_everything() || !(is_one || (takes_several && disjoint(filters))) {
            return Vec::new();
        }
        filters.iter().map(|filter| format!("{}.{}", self.config.stream, filter.as_str())).collect()
    }
}
