//! A server of either broker, with what an operator or another program may do to its stream.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tidings_core::broker::{Broker, Start, Stored, Tail};
use tidings_core::{
    Headers, MAX_CONTENT_TYPE_BYTES, MAX_EVENT_NAME_BYTES, MAX_TIME, MAX_TRACESTATE_BYTES,
    Notification,
};
use tidings_message_queue::{BrokerConfig, Keep, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use tokio::time::timeout;

/// How long a step of a scenario may take. It must hold on a machine that is many times slower.
pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) enum LocalBroker {
    Nats(LocalNats),
    Redis(LocalRedis),
}

/// A copy of the files of a broker.
pub(crate) struct Snapshot(tempfile::TempDir);

impl LocalBroker {
    pub(crate) async fn nats() -> Self {
        Self::Nats(LocalNats::start(LocalConfig::default()).await.unwrap())
    }

    pub(crate) async fn redis() -> Self {
        Self::Redis(LocalRedis::start(LocalConfig::default()).await.unwrap())
    }

    pub(crate) async fn connect(&self) -> Arc<dyn Broker> {
        self.connect_keeping(Keep::default()).await
    }

    pub(crate) async fn connect_keeping(&self, keep: Keep) -> Arc<dyn Broker> {
        let config = BrokerConfig::default().keep(keep);
        connect(self.url().as_str(), config).await.unwrap()
    }

    pub(crate) fn url(&self) -> url::Url {
        match self {
            Self::Nats(nats) => nats.url(),
            Self::Redis(redis) => redis.url(),
        }
    }

    pub(crate) async fn stop(&mut self) {
        match self {
            Self::Nats(nats) => nats.stop().await.unwrap(),
            Self::Redis(redis) => redis.stop().await.unwrap(),
        }
    }

    pub(crate) async fn kill(&mut self) {
        match self {
            Self::Nats(nats) => nats.kill().await.unwrap(),
            Self::Redis(redis) => redis.kill().await.unwrap(),
        }
    }

    pub(crate) async fn start_again(&mut self) {
        match self {
            Self::Nats(nats) => nats.start_again().await.unwrap(),
            Self::Redis(redis) => redis.start_again().await.unwrap(),
        }
    }

    /// Removes the oldest entries up to this sequence number, as an operator may do.
    pub(crate) async fn purge(&self, upto: u64) {
        match self {
            Self::Nats(_) => {
                let stream = self.jetstream().await.get_stream("tidings").await.unwrap();
                stream.purge().sequence(upto + 1).await.unwrap();
            }
            Self::Redis(_) => {
                let trim = redis::cmd("XTRIM")
                    .arg("{tidings}:log")
                    .arg("MINID")
                    .arg(format!("{}-0", upto + 1))
                    .to_owned();
                self.command(trim).await;
            }
        }
    }

    /// Deletes the stream, as an operator may do.
    pub(crate) async fn delete(&self) {
        match self {
            Self::Nats(_) => {
                self.jetstream().await.delete_stream("tidings").await.unwrap();
            }
            // The idempotency keys remain.
            Self::Redis(_) => {
                let mut delete = redis::cmd("DEL");
                delete.arg("{tidings}:log").arg("{tidings}:meta");
                self.command(delete).await;
            }
        }
    }

    /// Gives the stream another epoch, as an operator may do.
    pub(crate) async fn write_epoch(&self) {
        match self {
            Self::Nats(_) => {
                let jetstream = self.jetstream().await;
                let stream = jetstream.get_stream("tidings").await.unwrap();
                let mut config = stream.cached_info().config.clone();
                config.description = Some("tidings, generation 7".to_owned());
                jetstream.update_stream(config).await.unwrap();
            }
            Self::Redis(_) => {
                let mut set = redis::cmd("HSET");
                set.arg("{tidings}:meta").arg("epoch").arg("b7k2q9");
                self.command(set).await;
            }
        }
    }

    /// Writes an entry that is not a notification, as another program may do.
    pub(crate) async fn write_foreign(&self) {
        match self {
            Self::Nats(_) => {
                let jetstream = self.jetstream().await;
                let ack = jetstream.publish("tidings.what.is.th\u{ef}s", "?".into());
                ack.await.unwrap().await.unwrap();
            }
            Self::Redis(_) => {
                self.append(&[("colour", b"red")]).await;
            }
        }
    }

    /// Writes text that is not UTF-8, as another program may do.
    pub(crate) async fn write_bad_text(&self, topic: &str) {
        match self {
            Self::Nats(_) => {
                let payload = bytes::Bytes::from_static(b"ab\xff");
                let jetstream = self.jetstream().await;
                let ack = jetstream.publish(format!("tidings.{topic}"), payload);
                ack.await.unwrap().await.unwrap();
            }
            Self::Redis(_) => {
                self.append(&[("t", topic.as_bytes()), ("p", b"ab\xff")]).await;
            }
        }
    }

    /// Writes a notification with one valid and several malformed headers, as another program may do.
    pub(crate) async fn write_bad_headers(&self, topic: &str) {
        match self {
            Self::Nats(_) => {
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("Content-Type", "text/markdown");
                headers.insert("Tidings-Event", "gap");
                headers.insert("Tidings-Time", "soon");
                headers.insert("traceparent", "00");
                headers.insert("tracestate", "a=1");
                let jetstream = self.jetstream().await;
                let subject = format!("tidings.{topic}");
                let ack = jetstream.publish_with_headers(subject, headers, "hello".into());
                ack.await.unwrap().await.unwrap();
            }
            Self::Redis(_) => {
                let headers: [(&str, &[u8]); 5] = [
                    ("c", b"text/markdown"),
                    ("n", b"gap"),
                    ("w", b"soon"),
                    ("tp", b"00"),
                    ("ts", b"a=1"),
                ];
                let body: [(&str, &[u8]); 2] = [("t", topic.as_bytes()), ("p", b"hello")];
                self.append(&[&body[..], &headers].concat()).await;
            }
        }
    }

    /// Appends an entry with these fields to the stream of Redis.
    async fn append(&self, fields: &[(&str, &[u8])]) {
        let next = redis::cmd("HINCRBY").arg("{tidings}:meta").arg("seq").arg(1).to_owned();
        let seq: u64 = self.ask(next).await;
        let mut add = redis::cmd("XADD");
        add.arg("{tidings}:log").arg(format!("{seq}-0"));
        for (name, value) in fields {
            add.arg(name).arg(value);
        }
        self.command(add).await;
    }

    /// Copies its files. It must be stopped.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let copy = tempfile::tempdir().unwrap();
        copy_directory(&self.store(), copy.path());
        Snapshot(copy)
    }

    /// Restores its files. It must be stopped.
    pub(crate) fn roll_back(&self, snapshot: &Snapshot) {
        std::fs::remove_dir_all(self.store()).unwrap();
        copy_directory(snapshot.0.path(), &self.store());
    }

    fn store(&self) -> PathBuf {
        match self {
            Self::Nats(nats) => nats.directory().join("store"),
            Self::Redis(redis) => redis.directory().join("appendonlydir"),
        }
    }

    async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.url().as_str()).await.unwrap())
    }

    async fn command(&self, command: redis::Cmd) {
        let _: redis::Value = self.ask(command).await;
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: redis::Cmd) -> T {
        let client = redis::Client::open(self.url().as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn text(topic: &str, payload: impl Into<String>) -> Notification {
    Notification::text(topic.parse().unwrap(), payload)
}

/// Every header, each as long as it may be.
pub(crate) fn longest_headers() -> Headers {
    let headers = Headers::new().with_event(&"e".repeat(MAX_EVENT_NAME_BYTES)).unwrap();
    let media = format!("a/b; c={}", "x".repeat(MAX_CONTENT_TYPE_BYTES - 7));
    let headers = headers.with_content_type(&media).unwrap().with_time(MAX_TIME).unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.with_trace(parent, Some(&"s".repeat(MAX_TRACESTATE_BYTES))).unwrap()
}

pub(crate) async fn take(tail: &mut Tail, count: usize) -> Vec<Stored> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = timeout(SOON, tail.arrivals.next()).await.expect("a message arrives in time");
        taken.push(next.expect("the tail has not ended").expect("the tail has not failed"));
    }
    taken
}

/// Waits until the tail ends.
pub(crate) async fn end_of(tail: &mut Tail) {
    let ended = timeout(SOON, async { while let Some(Ok(_)) = tail.arrivals.next().await {} });
    ended.await.expect("the tail ends in time");
}

pub(crate) fn payloads(stored: &[Stored]) -> Vec<String> {
    let payload = |stored: &Stored| {
        let notification = stored.notification.as_ref().expect("a hub has published it");
        String::from_utf8_lossy(notification.payload()).into_owned()
    };
    stored.iter().map(payload).collect()
}

pub(crate) fn seqs(stored: &[Stored]) -> Vec<u64> {
    stored.iter().map(|stored| stored.seq).collect()
}

/// Opens a tail. Tries again while the broker is not back yet.
pub(crate) async fn tail_soon(broker: &Arc<dyn Broker>, start: Start) -> Tail {
    let began = std::time::Instant::now();
    loop {
        match broker.tail(start).await {
            Ok(tail) => return tail,
            Err(error) => assert!(began.elapsed() < SOON, "the broker is not back: {error}"),
        }
    }
}
