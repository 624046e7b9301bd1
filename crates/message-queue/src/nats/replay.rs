//! Reads older messages once.

use serde_json::json;
use tidings_core::broker::Replay;
use tidings_core::driver::Budget;
use tidings_core::{BrokerError, Filters, GapReason, Id};
use tokio::time::{Instant, sleep};

use super::api::{NO_MESSAGE_FOUND, RawMessage};
use super::connection::Connection;
use super::fault::Fault;
use super::look::{BETWEEN_LOOKS, LOOKS, Look};
use super::message::stored;
use super::pull::{Pull, Want};
use crate::overlap::disjoint;
use crate::replay::Reading;

/// The greatest number of messages of one request. Messages beyond the budget are sent in vain.
const BATCH: usize = 512;
/// A server older than this accepts one filter only.
const SEVERAL_FILTERS: (i64, i64, i64) = (2, 10, 0);

impl Connection {
    pub(super) async fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> Result<Replay, BrokerError> {
        let look = self.look_as_far_as(after).await?;
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
            self.read(&mut reading, filters, after.seq, budget, &look).await?;
            // Messages that were removed meanwhile may have been removed before they were read.
            let now = self.look().await?;
            if now.epoch != look.epoch {
                return Err(self.away("the stream was replaced during the replay"));
            }
            if now.state.floor() > after.seq {
                return Ok(gone(now.state.floor(), GapReason::Evicted));
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
        look: &Look,
    ) -> Result<(), BrokerError> {
        let until = Instant::now() + self.config.request_deadline;
        let batch = budget.entries.clamp(1, BATCH) as u64;
        let subjects = self.subjects(filters, look.is_replicated);
        let opened = Pull::open(self, after, &subjects, batch, &Want::WhatIsThere).await;
        let mut pull = opened.map_err(|fault| self.error(fault))?;
        let mut pending = pull.pending;
        while pending > 0 && !reading.is_over() && Instant::now() < until {
            let Some((place, message)) = pull.next(self, &Want::WhatIsThere).await? else { break };
            pending = place.pending;
            reading.look_at(stored(&self.config.stream, place.seq, &message));
        }
        pull.close(self).await;
        if pending == 0 && !reading.is_over() {
            // The consumer may be on a server that lags behind the leader.
            if look.is_replicated && self.has_more(reading, subjects.first()).await? {
                if reading.reached() == after {
                    return Err(self.away("a server that stores the stream lags behind its leader"));
                }
                return Ok(());
            }
            reading.nothing_is_left();
        }
        Ok(())
    }

    /// Returns `true` if the leader has a further message up to the requested end.
    async fn has_more(
        &self,
        reading: &Reading<'_>,
        subject: Option<&String>,
    ) -> Result<bool, BrokerError> {
        let stream = &self.config.stream;
        let subject = subject.cloned().unwrap_or_else(|| format!("{stream}.>"));
        let request = json!({ "seq": reading.reached() + 1, "next_by_subj": subject });
        match self.request("STREAM.MSG.GET", stream, &request).await {
            Ok(RawMessage { message }) => Ok(message.seq <= reading.upto()),
            Err(Fault::Api(error)) if error.err_code == NO_MESSAGE_FOUND || error.code == 404 => {
                Ok(false)
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Reads the state of the stream, again if it does not contain this position yet. A new leader may lag for a moment
    /// behind the one that another hub has read from.
    async fn look_as_far_as(&self, after: Id) -> Result<Look, BrokerError> {
        let mut look = self.look().await?;
        for _ in 0..LOOKS {
            if look.epoch != after.epoch || look.state.last_seq >= after.seq {
                break;
            }
            sleep(BETWEEN_LOOKS).await;
            look = self.look().await?;
        }
        Ok(look)
    }

    /// The subjects for the server to match. There are none if the server cannot match them, and then all messages are
    /// read and matched here. For a replicated stream there is at most one, because [`has_more`](Self::has_more) can
    /// request the next message of one subject only.
    fn subjects(&self, filters: &Filters, is_replicated: bool) -> Vec<String> {
        let (major, minor, patch) = SEVERAL_FILTERS;
        let takes_several =
            !is_replicated && self.client().is_server_compatible(major, minor, patch);
        let is_one = filters.iter().count() == 1;
        if filters.match_everything() || !(is_one || (takes_several && disjoint(filters))) {
            return Vec::new();
        }
        filters.iter().map(|filter| format!("{}.{}", self.config.stream, filter.as_str())).collect()
    }
}
