//! Reads the state of the stream, and checks whether it is still the stream that this hub has seen.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_core::{BrokerError, Epoch};
use tokio::time::sleep;

use super::api::{NO_MESSAGE_FOUND, RawMessage, StreamInfo, StreamState};
use super::connection::Connection;
use super::epoch::{epoch, next_description};
use super::fault::Fault;
use crate::seen::Seen;

/// The state of the stream at one moment.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) epoch: Epoch,
    /// Whether several servers store it. The server that responds may then lag behind the leader.
    pub(super) is_replicated: bool,
    pub(super) state: StreamState,
}

/// How often the state is read again if the sequence seems to have gone back. A new leader may lag for a moment.
pub(super) const LOOKS: usize = 4;
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

impl Connection {
    /// Reads the state of the stream. Creates the stream if it does not exist, and gives it a new generation if its
    /// sequence has gone back.
    pub(super) async fn look(&self) -> Result<Look, BrokerError> {
        for attempt in 0.. {
            // Read before the request, so that a message that arrives meanwhile is not compared with an older response.
            let seen = self.witness.seen();
            let info = self.stream().await?;
            let epoch = epoch(&info.created, &info.config.description);
            if epoch != seen.epoch || !self.has_gone_back(&seen, &info).await? {
                self.witness.follow(epoch);
                let is_replicated = info.config.num_replicas > 1;
                return Ok(Look { epoch, is_replicated, state: info.state });
            }
            if attempt < LOOKS {
                sleep(BETWEEN_LOOKS).await;
            } else {
                self.begin_generation(&info).await?;
            }
            if attempt > 2 * LOOKS {
                break;
            }
        }
        Err(self.away("the sequence of the stream went back, and its description does not change"))
    }

    async fn has_gone_back(&self, seen: &Seen, info: &StreamInfo) -> Result<bool, BrokerError> {
        if info.state.last_seq < seen.head {
            tracing::debug!(
                ?seen,
                last = info.state.last_seq,
                "the sequence of the stream seems to have gone back"
            );
            return Ok(true);
        }
        let Some((seq, time)) = seen.stamp else { return Ok(false) };
        if seq < info.state.first_seq {
            return Ok(false);
        }
        let found =
            self.request("STREAM.MSG.GET", &self.config.stream, &json!({ "seq": seq })).await;
        match found {
            Ok(RawMessage { message }) => {
                let stored = async_nats::datetime::parse_rfc3339(&message.time);
                Ok(stored.is_ok_and(|stored| stored.unix_timestamp_nanos() != i128::from(time)))
            }
            // This message was removed. That does not mean that the sequence went back.
            Err(Fault::Api(error)) if error.err_code == NO_MESSAGE_FOUND || error.code == 404 => {
                Ok(false)
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Writes a new generation to the description of the stream, unless another hub has just done so. If two hubs write
    /// at once, the last one wins, and both read its generation the next time.
    async fn begin_generation(&self, old: &StreamInfo) -> Result<(), BrokerError> {
        let name = &self.config.stream;
        let fault = |fault| self.error(fault);
        let now: Value = self.request("STREAM.INFO", name, &Value::Null).await.map_err(fault)?;
        let description = now["config"]["description"].as_str().unwrap_or_default();
        if description != old.config.description || now["created"] != old.created.as_str() {
            return Ok(());
        }
        let mut config = now["config"].clone();
        config["description"] = next_description(description).into();
        tracing::warn!(
            stream = %name, description = %config["description"],
            "the sequence of the stream went back: earlier positions are invalid, and clients receive a gap"
        );
        let _: Value = self.request("STREAM.UPDATE", name, &config).await.map_err(fault)?;
        Ok(())
    }
}
