//! Finds settings of Redis under which a documented promise does not hold.

use std::collections::HashMap;

use redis::{RedisError, cmd};

use super::RedisConfig;
use super::connection::Connection;

/// The oldest major version that is tested.
const FIRST_MAJOR_VERSION: u32 = 7;

/// The values of `INFO` and `CONFIG GET`. Values that the server does not permit to read are not checked.
type Settings = HashMap<String, String>;

impl Connection {
    /// Logs a warning for each setting under which a documented promise does not hold.
    pub(super) async fn warn_of_doubts(&self) {
        let settings = match self.settings().await {
            Ok(settings) => settings,
            Err(error) => {
                let broker = &self.broker;
                return tracing::debug!(broker, %error, "cannot read the settings of the server");
            }
        };
        for doubt in doubts(&settings, &self.config) {
            tracing::warn!(broker = self.broker, "{doubt}");
        }
    }

    async fn settings(&self) -> Result<Settings, RedisError> {
        let info = cmd("INFO");
        let info: String = self.request(async |mut wire| info.query_async(&mut wire).await).await?;
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        let mut settings: Settings =
            lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let mut config = cmd("CONFIG");
        config.arg("GET").arg("appendfsync").arg("min-replicas-to-write");
        let config = self.request(async |mut wire| config.query_async::<Settings>(&mut wire).await);
        // Managed services often do not permit this.
        settings.extend(config.await.unwrap_or_default());
        Ok(settings)
    }
}

/// A text for each such setting: what does not hold, and what to do.
fn doubts(settings: &Settings, config: &RedisConfig) -> Vec<String> {
    let value = |name: &str| settings.get(name).map_or("", String::as_str);
    let number = |name: &str| value(name).parse::<u64>().unwrap_or(0);
    let mut doubts = Vec::new();
    let version = value("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < FIRST_MAJOR_VERSION) {
        doubts.push(format!(
            "its version {version} is older than 7, the oldest version that is tested"
        ));
    }
    let (memory, policy) = (number("maxmemory"), value("maxmemory_policy"));
    if memory > 0 && policy.starts_with("allkeys") {
        doubts.push(format!(
            "maxmemory-policy {policy} may remove the whole stream when memory is short: CONFIG SET \
             maxmemory-policy noeviction"
        ));
    } else if memory > 0 && policy.starts_with("volatile") {
        doubts.push(format!(
            "maxmemory-policy {policy} may remove idempotency keys when memory is short, and then a retry is stored \
             twice: CONFIG SET maxmemory-policy noeviction"
        ));
    }
    let wanted = config.keep.bytes.unwrap_or(u64::MAX);
    if memory > 0 && memory < wanted {
        doubts.push(format!(
            "maxmemory is {memory} bytes, less than the stream may grow to: raise it, or set --keep-bytes below it"
        ));
    }
    if value("aof_enabled") == "0" {
        doubts.push(
            "there is no append-only file: if Redis ends, notifications that it acknowledged since its last snapshot \
             are lost; CONFIG SET appendonly yes"
                .to_owned(),
        );
    } else if value("appendfsync") == "no" {
        doubts.push(
            "appendfsync is no: a crash of the machine loses more than the last second; CONFIG SET appendfsync \
             everysec, or always"
                .to_owned(),
        );
    }
    if number("connected_slaves") > 0 && value("min-replicas-to-write") == "0" {
        doubts.push(
            "it has replicas and does not wait for any: a failover loses entries that the replicas do not have yet, \
             and an isolated master continues to acknowledge; CONFIG SET min-replicas-to-write 1"
                .to_owned(),
        );
    }
    if value("cluster_enabled") == "1" {
        doubts.push(
            "it is a node of a Redis Cluster: if the slot of the stream moves to another node, tidings does not follow"
                .to_owned(),
        );
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(changes: &[(&str, &str)]) -> Vec<String> {
        let sound = [
            ("redis_version", "7.0.15"),
            ("maxmemory", "0"),
            ("maxmemory_policy", "noeviction"),
            ("aof_enabled", "1"),
            ("appendfsync", "everysec"),
            ("connected_slaves", "0"),
            ("min-replicas-to-write", "0"),
            ("cluster_enabled", "0"),
        ];
        let settings = sound.iter().chain(changes);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        doubts(&settings.collect(), &RedisConfig::from_url("redis://a").unwrap())
    }

    #[test]
    fn each_doubtful_setting_is_named_with_its_remedy_and_others_are_not() {
        const MUCH: (&str, &str) = ("maxmemory", "8589934592");
        assert_eq!(found(&[]), Vec::<String>::new());
        assert_eq!(found(&[MUCH]), Vec::<String>::new());
        assert_eq!(found(&[("maxmemory_policy", "allkeys-lru")]), Vec::<String>::new());
        for (changes, expected) in [
            (&[("redis_version", "6.2.1")][..], "6.2.1"),
            (&[MUCH, ("maxmemory_policy", "allkeys-lru")], "allkeys-lru"),
            (&[MUCH, ("maxmemory_policy", "volatile-ttl")], "idempotency"),
            (&[("maxmemory", "1000")], "--keep-bytes"),
            (&[("aof_enabled", "0")], "appendonly"),
            (&[("appendfsync", "no")], "appendfsync"),
            (&[("connected_slaves", "1")], "min-replicas-to-write"),
            (&[("cluster_enabled", "1")], "Cluster"),
        ] {
            let doubts = found(changes);
            assert_eq!(doubts.len(), 1, "{changes:?}: {doubts:?}");
            assert!(doubts[0].contains(expected), "{changes:?}: {doubts:?}");
        }
    }
}
