//! Following the stream.

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

/// How many messages one request is for.
const BATCH: u64 = 4096;
/// How far back a hub begins whose position is of another history.
const NEWEST: u64 = 65_536;

pub(super) async fn tail(connection: Arc<Connection>, start: Start) -> Result<Tail, BrokerError> {
    if let Start::After(id) = start {
        // The hub has it, so it was there: were it not, the sequence has gone back.
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

/// What arrives, while the stream is the one of this epoch.
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
                Err(connection.away("its sequence went back"))?;
            }
            last = place.seq;
            connection.witness.saw_stamp(epoch.id(place.seq), place.time);
            yield stored(&connection.config.stream, place.seq, &message);
        }
    };
    arrivals.boxed()
}

/// Looks at the stream now and then; resolves when it has another epoch. What goes wrong with a look is
/// passed over: the consumer's heartbeat tells whether the server is there.
async fn until_another_epoch(connection: Arc<Connection>, epoch: Epoch) -> BrokerError {
    let log = LogLimit::default();
    loop {
        sleep(connection.config.look_every).await;
        match connection.look().await {
            Ok(look) if look.epoch != epoch => {
                return connection.away(format!("its history is another one: {}", look.epoch));
            }
            Ok(_) => {}
            // Its operator has changed it, and what arrives still arrives.
            Err(error @ BrokerError::Refused { .. }) => {
                if let Some(left_out) = log.admit() {
                    tracing::warn!(%error, left_out, "the stream cannot serve as the log any more");
                }
            }
            Err(error) => tracing::debug!(%error, "no look at the stream"),
        }
    }
}
