//! Publishes to the stream with one script. A publish is retried until it is acknowledged, and never stored twice.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisError, Script};
use tidings_core::{BrokerError, Epoch, Id, IdempotencyKey, Kind, Notification};
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::entry::field;
use super::trouble::{describe, is_passing};
use crate::fault::rejected;
use crate::key::random_key;

/// How long the stream keeps a key.
const KEY_WINDOW: Duration = Duration::from_secs(120);
/// A publish without a response is sent again after this time.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(1500);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));

/// The epoch, the sequence number, and whether the key was known.
type Appended = (String, u64, bool);

impl Connection {
    pub(super) async fn publish(
        &self,
        notification: &Notification,
        key: Option<IdempotencyKey>,
    ) -> Result<Id, BrokerError> {
        let (size, limit) = (notification.payload().len(), self.config.max_payload);
        if size > limit {
            let problem = format!("a payload of {size} bytes is too large: the limit is {limit}");
            return Err(rejected(&self.broker, problem));
        }
        let key = key.as_ref().map_or_else(random_key, |key| key.as_str().to_owned());
        let before = self.witness.seen();
        let (epoch, seq, known) = self.append(notification, &key).await?;
        let mut epoch = self.epoch(&epoch)?;
        if !known && epoch == before.epoch && seq <= before.head {
            // This number was assigned before, so the sequence has gone back.
            epoch = self.look().await?.epoch;
        }
        let id = epoch.id(seq);
        self.witness.saw(id);
        Ok(id)
    }

    /// Sends the notification until it is acknowledged, within the deadline.
    async fn append(
        &self,
        notification: &Notification,
        key: &str,
    ) -> Result<Appended, BrokerError> {
        let until = Instant::now() + self.config.retry_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let once = until.min(Instant::now() + TRY_AGAIN_AFTER);
            let problem = match self.append_once(notification, key, once).await {
                Ok(appended) => return Ok(appended),
                Err(error) if !is_passing(&error) => return Err(self.error(&error)),
                Err(error) => describe(&error),
            };
            if Instant::now() + pause >= until {
                return Err(self.away(problem));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn append_once(
        &self,
        notification: &Notification,
        key: &str,
        until: Instant,
    ) -> Result<Appended, RedisError> {
        let keep = &self.config.keep;
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(0).max(1);
        let mut call = APPEND.key(&self.keys.log);
        call.key(&self.keys.meta).key(format!("{}{key}", self.keys.key));
        call.arg(Epoch::random().to_string()).arg(notification.topic().as_str());
        call.arg(if notification.kind() == Kind::Binary { "b" } else { "" });
        call.arg(&notification.payload()[..]);
        call.arg(keep.messages.unwrap_or(0)).arg(keep.bytes.unwrap_or(0));
        call.arg(keep.age.map_or(0, millis)).arg(millis(KEY_WINDOW));
        call.arg(notification.origin().map(|seat| seat.number().to_string()).unwrap_or_default());
        for (header, text) in notification.headers().iter().flat_map(|headers| headers.iter()) {
            call.arg(field(header)).arg(&*text);
        }
        self.request_until(until, async |mut wire| call.invoke_async(&mut wire).await).await
    }
}
