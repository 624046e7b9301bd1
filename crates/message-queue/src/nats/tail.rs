//! Follows the stream.

use std::pin::pin;
use std::sync::Arc;

use async_stream::try_stream;
use futures::StreamExt;
use futures::stream::BoxStream;
use tidings_core::broker::{Start, Stored, Tail};
use tidings_core::driver::LogLimit;
use tidings_core::{BrokerError, Epoch};
use tokio::time::sleep;

use super::connection::Connection;
use super::message::stored;
use super::pull::{Pull, Want};

/// The number of messages of one request.
const BATCH: u64 = 4096;
/// The number of newest messages from which a hub begins if its position is of another epoch.
const NEWEST: u64 = 65_536;

pub(super) async fn tail(connection: Arc<Connection>, start: Start) -> Result<Tail, BrokerError> {
    if let Start::After(id) = start {
        // The hub has received it. If the stream does not contain it, the sequence has gone back.
        connection.witness.saw(id);
    }
    let look = connection.look().await?;
    let (floor, head) = (look.state.floor(), look.state.last_seq);
    let newest = |count: u64| floor.max(head.saturating_sub(count));
    let after = match start {
        Start::Newest(count) => newest(count),
        Start::After(id) if id.epoch == look.epoch => id.seq.max(floor),
        Start::After(_) => newest(NEWEST),
    };
    let pull = Pull::open(&connection, after, &[], BATCH, &Want::Everything).await;
    let pull = pull.map_err(|fault| connection.error(fault))?;
    let arrivals = arrivals(connection, pull, look.epoch, after);
    Ok(Tail { epoch: look.epoch, floor, after, head: head.max(after), arrivals })
}

/// The messages that arrive, as long as the stream has this epoch.
fn arrivals(
    connection: Arc<Connection>,
    mut pull: Pull,
    epoch: Epoch,
    mut last: u64,
) -> BoxStream<'static, Result<Stored, BrokerError>> {
    let looks = connection.clone();
    let arrivals = try_stream! {
        let mut watch = pin!(until_another_epoch(looks, epoch));
        loop {
            let next = tokio::select! {
                next = pull.next(&connection, &Want::Everything) => next,
                error = &mut watch => Err(error),
            };
            let Some((place, message)) = next? else { continue };
            if place.seq <= last {
                Err(connection.away("the sequence of the stream went back"))?;
            }
            last = place.seq;
            connection.witness.saw_stamp(epoch.id(place.seq), place.time);
            yield stored(&connection.config.stream, place.seq, &message);
        }
    };
    arrivals.boxed()
}

/// Reads the state of the stream periodically, and resolves when its epoch has changed. A failure to read it is
/// ignored, because the heartbeats of the consumer show whether the server is connected.
async fn until_another_epoch(connection: Arc<Connection>, epoch: Epoch) -> BrokerError {
    let log = LogLimit::default();
    loop {
        sleep(connection.config.look_every).await;
        match connection.look().await {
            Ok(look) if look.epoch != epoch => {
                return connection
                    .away(format!("the stream was replaced: its epoch is now {}", look.epoch));
            }
            Ok(_) => {}
            // The operator has changed its settings. Messages still arrive.
            Err(error @ BrokerError::Rejected { .. }) => {
                if let Some(left_out) = log.admit() {
                    tracing::warn!(%error, left_out, "the stream can no longer serve as the log");
                }
            }
            Err(error) => tracing::debug!(%error, "cannot read the state of the stream"),
        }
    }
}
