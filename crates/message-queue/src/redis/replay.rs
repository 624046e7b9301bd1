//! Reads older entries once.

use redis::cmd;
use tidings_core::broker::Replay;
use tidings_core::driver::Budget;
use tidings_core::{BrokerError, Filters, GapReason, Id};
use tokio::time::Instant;

use super::connection::Connection;
use super::entry::{Page, entries};
use super::look::Look;
use crate::replay::Reading;

/// The greatest number of entries of one response.
const MOST: usize = 512;

impl Connection {
    pub(super) async fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> Result<Replay, BrokerError> {
        let look = self.look().await?;
        if let Some(gone) = gone(&look, after) {
            return Ok(gone);
        }
        let mut reading = Reading::new(filters, after.seq, upto.min(look.head), budget);
        if !reading.is_over() {
            self.read(&mut reading, &look, after.seq, upto.min(look.head)).await?;
            // Entries that were removed meanwhile may have been removed before they were read.
            let now = self.look().await?;
            if let Some(gone) = gone(&now, after) {
                return Ok(gone);
            }
        }
        Ok(reading.finish())
    }

    async fn read(
        &self,
        reading: &mut Reading<'_>,
        look: &Look,
        mut after: u64,
        upto: u64,
    ) -> Result<(), BrokerError> {
        let until = Instant::now() + self.config.request_deadline;
        let mut page = Page::of_few(MOST);
        while !reading.is_over() && Instant::now() < until {
            let mut range = cmd("XRANGE");
            range.arg(&self.keys.log).arg(format!("{}-0", after + 1)).arg(format!("{upto}-0"));
            range.arg("COUNT").arg(page.count());
            let requested = self.request(async |mut wire| range.query_async(&mut wire).await).await;
            let answer = requested.map_err(|error| self.error(&error))?;
            let found = entries(&self.config.stream, answer)
                .ok_or_else(|| self.away("cannot parse the response of the server"))?;
            let is_last = found.len() < page.count();
            page.learn(&found);
            for entry in found {
                if !entry.is_of(look) {
                    return Err(self.away("the stream was replaced during the replay"));
                }
                after = entry.stored.seq;
                reading.look_at(entry.stored);
            }
            if is_last {
                reading.nothing_is_left();
            }
        }
        Ok(())
    }
}

fn gone(look: &Look, after: Id) -> Option<Replay> {
    let reason = if after.epoch != look.epoch || after.seq > look.head {
        GapReason::Epoch
    } else if after.seq < look.floor {
        GapReason::Evicted
    } else {
        return None;
    };
    Some(Replay::Gone { resume: look.epoch.id(look.floor), reason })
}
