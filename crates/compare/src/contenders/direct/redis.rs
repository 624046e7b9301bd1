//! Redis Streams: a client that asks with `XREAD BLOCK`, and asks again behind each answer.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::Ordering::Relaxed;

use async_stream::stream;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{Cmd, cmd};
use tidings_core::{Epoch, Id, Kind, Position};
use tidings_transport::client::{Arrivals, Client, ClientError, Connecting, Publish, Target};

use super::nats::received;
use super::redis_link::Link;
use super::{KEPT, parts};

/// The field of an entry that holds the payload.
const PAYLOAD: &str = "d";

/// Entries of one answer at most.
const AT_ONCE: u32 = 256;

/// The number of a stream's history is not on the wire, so all ids are of one.
const HISTORY: Epoch = Epoch::from_number(0);

/// Entries of one millisecond are told apart by so many bits of an id.
const WITHIN: u32 = 22;

/// Reads one stream with `XREAD BLOCK`, each question behind the last entry of the answer before.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisClient;

/// `XADD`, answered once the entry is in the server's memory; what of it is on disk is the server's to say.
pub struct RedisPublisher {
    link: Link,
    key: String,
}

/// The id of an entry: milliseconds, and a number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct EntryId {
    millis: u64,
    within: u64,
}

impl Client for RedisClient {
    fn transport(&self) -> &'static str {
        "message-queue (Redis)"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        Box::pin(async move {
            let (server, key) = parts(&target.url, ':')?;
            let mut link = Link::connect(&server, &target).await?;
            let mut after = match target.position {
                Position::Live => newest(&mut link, &key).await?,
                Position::Earliest => EntryId::default(),
                Position::After(id) => id.into(),
            };
            let arrivals = stream! {
                loop {
                    link.meter.requests.fetch_add(1, Relaxed);
                    let answer = match link.ask::<StreamReadReply>(&read(&key, after)).await {
                        Ok(answer) => answer,
                        Err(error) => { yield Err(error); return }
                    };
                    for entry in answer.keys.into_iter().flat_map(|stream| stream.ids) {
                        match id_and_payload(&entry) {
                            Ok((id, payload)) => {
                                after = id;
                                yield Ok(received(Some(id.into()), payload));
                            }
                            Err(error) => { yield Err(error); return }
                        }
                    }
                }
            };
            Ok(arrivals.boxed())
        })
    }
}

impl RedisPublisher {
    /// Connects it.
    pub fn boxed(target: Target) -> Connecting {
        Box::pin(async move {
            let (server, key) = parts(&target.url, ':')?;
            let link = Link::connect(&server, &target).await?;
            Ok(Box::new(Self { link, key }) as Box<dyn Publish>)
        })
    }
}

impl Publish for RedisPublisher {
    fn publish(&mut self, _: Kind, payload: Bytes) -> BoxFuture<'_, Result<(), ClientError>> {
        Box::pin(async move {
            let mut add = cmd("XADD");
            add.arg(&self.key).arg("MAXLEN").arg("~").arg(KEPT).arg("*");
            add.arg(PAYLOAD).arg(&payload[..]);
            self.link.ask::<String>(&add).await.map(|_| ())
        })
    }
}

/// Where "from now on" begins: once this is answered, whatever is added is behind it. `$` would begin
/// where the first question is dealt with, which nobody is told.
async fn newest(link: &mut Link, key: &str) -> Result<EntryId, ClientError> {
    let mut last = cmd("XREVRANGE");
    last.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
    let found: StreamRangeReply = link.ask(&last).await?;
    found.ids.first().map_or(Ok(EntryId::default()), |entry| entry.id.parse())
}

fn read(key: &str, after: EntryId) -> Cmd {
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(AT_ONCE).arg("BLOCK").arg(0);
    read.arg("STREAMS").arg(key).arg(after.to_string());
    read
}

fn id_and_payload(entry: &StreamId) -> Result<(EntryId, Bytes), ClientError> {
    let payload = entry.get::<Vec<u8>>(PAYLOAD);
    let payload = payload.ok_or_else(|| strange(format!("{} has no payload", entry.id)))?;
    Ok((entry.id.parse()?, payload.into()))
}

fn strange(problem: String) -> ClientError {
    ClientError::Protocol { transport: "entry of a stream", problem }
}

impl FromStr for EntryId {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let numbers = text.split_once('-').and_then(|(millis, within)| {
            Some(Self { millis: millis.parse().ok()?, within: within.parse().ok()? })
        });
        numbers.ok_or_else(|| strange(format!("{text:?} is no id")))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.within)
    }
}

/// One number for both, in the same order: 42 bits of milliseconds are enough until the year 2109.
impl From<EntryId> for Id {
    fn from(id: EntryId) -> Self {
        HISTORY.id(id.millis << WITHIN | id.within)
    }
}

impl From<Id> for EntryId {
    fn from(id: Id) -> Self {
        Self { millis: id.seq >> WITHIN, within: id.seq & ((1 << WITHIN) - 1) }
    }
}

impl fmt::Debug for RedisPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPublisher").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_id_and_a_position_are_the_same_in_the_same_order() {
        let ids = ["0-1", "1700000000000-0", "1700000000000-7", "1700000000001-0"];
        let ids = ids.map(|text| text.parse::<EntryId>().unwrap());
        for id in ids {
            assert_eq!(EntryId::from(Id::from(id)), id);
        }
        assert!(ids.windows(2).all(|pair| Id::from(pair[0]).seq < Id::from(pair[1]).seq));
        assert!("seven".parse::<EntryId>().is_err());
    }
}
