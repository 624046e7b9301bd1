//! Follows the stream.

use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use futures::StreamExt;
use futures::stream::BoxStream;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value, cmd};
use tidings_core::BrokerError;
use tidings_core::broker::{Start, Stored, Tail};
use tokio::time::Instant;

use super::connection::Connection;
use super::entry::{Page, read_entries};
use super::link::is_master;
use super::look::Look;

/// The greatest number of entries of one response.
const MOST: usize = 1024;
/// How long Redis waits for the next entry. After that the state of the stream is read. At the same interval the tail
/// checks whether the server is still the master.
const BLOCK: Duration = Duration::from_secs(1);
/// The tail ends if there is no response for this long.
const SILENCE: Duration = Duration::from_millis(3500);
/// The number of newest entries from which a hub begins if its position is of another epoch.
const NEWEST: u64 = 65_536;

pub(super) async fn tail(connection: Arc<Connection>, start: Start) -> Result<Tail, BrokerError> {
    if let Start::After(id) = start {
        // The hub has received it. If the stream does not contain it, the sequence has gone back.
        connection.witness.saw(id);
    }
    let look = connection.look().await?;
    let newest = |count: u64| look.floor.max(look.head.saturating_sub(count));
    let after = match start {
        Start::Newest(count) => newest(count),
        Start::After(id) if id.epoch == look.epoch => id.seq.max(look.floor),
        Start::After(_) => newest(NEWEST),
    };
    // A separate connection, because a command that waits delays all others on the same connection.
    let own = connection.open(SILENCE).await.map_err(|error| connection.error(&error))?;
    let head = look.head.max(after);
    let arrivals = arrivals(connection, own, look, after);
    Ok(Tail { epoch: look.epoch, floor: look.floor, after, head, arrivals })
}

/// The entries that arrive, as long as the stream has the epoch of the look.
fn arrivals(
    connection: Arc<Connection>,
    mut own: MultiplexedConnection,
    look: Look,
    mut last: u64,
) -> BoxStream<'static, Result<Stored, BrokerError>> {
    let mut page = Page::new(MOST);
    let arrivals = try_stream! {
        let mut checked = Instant::now();
        loop {
            if checked.elapsed() >= BLOCK {
                is_master(&mut own).await.map_err(|error| connection.error(&error))?;
                checked = Instant::now();
            }
            let read = read(&mut own, &connection.keys.log, last, page.count()).await;
            let answer = read.map_err(|error| connection.error(&error))?;
            let found = read_entries(&connection.config.stream, answer);
            let found = found.ok_or_else(|| connection.away("cannot parse the response of the server"))?;
            page.learn(&found);
            if found.is_empty() {
                let now = connection.look().await?;
                if now.epoch != look.epoch {
                    Err(connection.away(format!("the stream was replaced: its epoch is now {}", now.epoch)))?;
                }
            }
            for entry in found {
                if !entry.is_of(&look) {
                    Err(connection.away("the stream was replaced"))?;
                }
                last = entry.stored.seq;
                if let Some(time) = entry.time {
                    connection.witness.saw_stamp(look.epoch.id(last), time);
                }
                yield entry.stored;
            }
        }
    };
    arrivals.boxed()
}

async fn read(
    own: &mut MultiplexedConnection,
    log: &str,
    after: u64,
    count: usize,
) -> Result<Value, RedisError> {
    let block = BLOCK.as_millis() as u64;
    cmd("XREAD")
        .arg("COUNT")
        .arg(count)
        .arg("BLOCK")
        .arg(block)
        .arg("STREAMS")
        .arg(log)
        .arg(format!("{after}-0"))
        .query_async(own)
        .await
}
