//! Finds settings of NATS under which a documented promise does not hold.

use std::time::Duration;

use super::NatsConfig;
use super::api::StreamConfig;
use super::connection::Connection;
use super::stream::KEY_WINDOW;

/// The oldest version of the server that is tested.
const FIRST_VERSION: (i64, i64, i64) = (2, 9, 0);
/// The consumers of one hub: one that follows the stream, and 16 for clients that are served from it.
const CONSUMERS: i64 = 17;

impl Connection {
    /// Logs a warning for each setting under which a documented promise does not hold.
    pub(super) fn warn_of_doubts(&self, stream: &StreamConfig) {
        let (client, broker) = (self.client(), &self.broker);
        let server_limit = i64::try_from(client.max_payload()).unwrap_or(i64::MAX);
        for doubt in doubts(stream, &self.config, server_limit) {
            tracing::warn!(broker, "{doubt}");
        }
        let (major, minor, patch) = FIRST_VERSION;
        if !client.is_server_compatible(major, minor, patch) {
            let version = client.server_info().version;
            tracing::warn!(
                broker,
                version,
                "this NATS server is older than 2.9, the oldest version that is tested"
            );
        }
    }
}

/// A text for each such setting: what does not hold, and what to do.
fn doubts(stream: &StreamConfig, config: &NatsConfig, server_limit: i64) -> Vec<String> {
    let edit = format!("nats stream edit {}", config.stream);
    let mut doubts = Vec::new();
    if stream.storage == "memory" {
        doubts.push(
            "the stream is stored in memory: a restart of NATS loses acknowledged notifications; name another stream \
             with ?stream=NAME"
                .to_owned(),
        );
    }
    if stream.persist_mode == "async" {
        doubts.push(
            "the stream acknowledges before it stores (persist_mode: async): a crash loses acknowledged notifications; \
             name another stream with ?stream=NAME"
                .to_owned(),
        );
    }
    if stream.num_replicas < config.replicas {
        doubts.push(format!(
            "the stream is stored on {} servers instead of {}: {edit} --replicas {}",
            stream.num_replicas, config.replicas, config.replicas
        ));
    }
    let window = Duration::from_nanos(stream.duplicate_window);
    let age = Duration::from_nanos(stream.max_age);
    if window < KEY_WINDOW && (stream.max_age == 0 || window < age) {
        doubts.push(format!(
            "the stream keeps a key for {window:?} instead of {KEY_WINDOW:?}: a later retry is stored twice; \
             {edit} --dupe-window 2m"
        ));
    }
    if (1..CONSUMERS).contains(&stream.max_consumers) {
        doubts.push(format!(
            "the stream allows {} consumers: each tidings server needs one, and up to 16 more for clients that come back; create \
             another stream, or raise max_consumers",
            stream.max_consumers
        ));
    }
    if (1..server_limit).contains(&stream.max_msg_size) {
        doubts.push(format!(
            "the stream accepts messages of at most {} bytes including headers; {edit} --max-msg-size -1",
            stream.max_msg_size
        ));
    }
    let keep = &config.keep;
    let wanted = keep.age.unwrap_or(Duration::MAX);
    if stream.max_age > 0 && age < wanted {
        doubts.push(keeps_less("age", &format!("{age:?}"), "age", &edit));
    }
    for (what, has, wanted) in
        [("messages", stream.max_msgs, keep.messages), ("bytes", stream.max_bytes, keep.bytes)]
    {
        if u64::try_from(has).is_ok_and(|has| has > 0 && wanted.is_none_or(|wanted| has < wanted)) {
            doubts.push(keeps_less(what, &has.to_string(), what, &edit));
        }
    }
    doubts
}

fn keeps_less(what: &str, has: &str, flag: &str, edit: &str) -> String {
    let limit = match what {
        "messages" => "msgs",
        other => other,
    };
    format!(
        "the stream keeps at most {has} ({what}), less than --keep-{flag}, so clients receive gaps earlier; \
         {edit} --max-{limit}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn found(key: &str, value: Value) -> Vec<String> {
        let config = NatsConfig::from_url("nats://a").unwrap();
        let config = NatsConfig { replicas: 3, ..config };
        let mut stream = json!({
            "retention": "limits", "storage": "file", "discard": "old", "num_replicas": 3,
            "max_msgs": -1, "max_bytes": 1 << 30, "max_age": 86_400_000_000_000_u64, "max_msg_size": -1,
            "max_consumers": -1, "duplicate_window": 120_000_000_000_u64,
        });
        stream[key] = value;
        doubts(&serde_json::from_value(stream).unwrap(), &config, 1 << 20)
    }

    #[test]
    fn a_stream_with_the_requested_settings_causes_no_warning() {
        assert_eq!(found("description", json!("ours")), Vec::<String>::new());
        assert_eq!(found("max_age", json!(0)), Vec::<String>::new());
        assert_eq!(found("max_bytes", json!(-1)), Vec::<String>::new());
        assert_eq!(found("max_consumers", json!(17)), Vec::<String>::new());
    }

    #[test]
    fn each_doubtful_setting_is_named_with_its_remedy() {
        for (key, value, expected) in [
            ("storage", json!("memory"), "memory"),
            ("persist_mode", json!("async"), "persist_mode"),
            ("num_replicas", json!(1), "--replicas 3"),
            ("duplicate_window", json!(1_000_000_000), "--dupe-window"),
            ("duplicate_window", json!(0), "--dupe-window"),
            ("max_consumers", json!(16), "max_consumers"),
            ("max_msg_size", json!(1000), "--max-msg-size"),
            ("max_age", json!(1_000_000_000), "--keep-age"),
            ("max_msgs", json!(5), "--keep-messages"),
            ("max_bytes", json!(1000), "--keep-bytes"),
        ] {
            // The window cannot be longer than the age, which is a day here.
            let doubts = found(key, value);
            assert_eq!(doubts.len(), 1, "{key}: {doubts:?}");
            assert!(doubts[0].contains(expected), "{key}: {doubts:?}");
        }
    }
}
