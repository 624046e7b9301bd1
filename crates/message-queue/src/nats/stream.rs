//! Creates the stream if it does not exist, and checks its settings.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_core::BrokerError;

use super::api::{STREAM_NAME_IN_USE, STREAM_NOT_FOUND, StreamConfig, StreamInfo};
use super::connection::Connection;
use super::fault::Fault;
use crate::Keep;
use crate::fault::rejected;

/// How long the server keeps the key of a message.
pub(super) const KEY_WINDOW: Duration = Duration::from_secs(120);

impl Connection {
    /// Creates the stream if it does not exist, and checks its settings.
    pub(super) async fn stream(&self) -> Result<StreamInfo, BrokerError> {
        let name = &self.config.stream;
        let info = match self.request("STREAM.INFO", name, &Value::Null).await {
            Err(Fault::Api(error)) if error.err_code == STREAM_NOT_FOUND => {
                let config = new_stream(name, &self.config.keep, self.config.replicas);
                match self.request("STREAM.CREATE", name, &config).await {
                    // Another hub has just created it.
                    Err(Fault::Api(error)) if error.err_code == STREAM_NAME_IN_USE => {
                        self.request("STREAM.INFO", name, &Value::Null).await
                    }
                    other => other,
                }
            }
            other => other,
        };
        let info: StreamInfo = info.map_err(|fault| self.error(fault))?;
        check(name, &info.config).map_err(|problem| rejected(&self.broker, problem))?;
        Ok(info)
    }
}

fn new_stream(name: &str, keep: &Keep, replicas: usize) -> Value {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(i64::MAX as u64);
    let limit =
        |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    // The server rejects a window that is longer than the greatest age of a message.
    let window = keep.age.map_or(KEY_WINDOW, |age| age.min(KEY_WINDOW));
    json!({
        "name": name,
        "description": "tidings",
        "subjects": [format!("{name}.>")],
        "retention": "limits",
        "discard": "old",
        "storage": "file",
        "num_replicas": replicas,
        "max_consumers": -1,
        "max_msgs": limit(keep.messages),
        "max_bytes": limit(keep.bytes),
        "max_age": keep.age.map_or(0, nanos),
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "duplicate_window": nanos(window),
    })
}

/// Checks that ids and resumption work on this stream. Its limits may be any, because the operator chooses them.
///
/// # Errors
/// Fails with a text that names the wrong setting and what to do.
fn check(name: &str, config: &StreamConfig) -> Result<(), String> {
    let own = format!("{name}.>");
    // First, because a sealed stream also has the discard policy new.
    let problem = if config.sealed {
        "it is sealed, so nothing can be published".to_owned()
    } else if config.discard == "new" {
        "it rejects new messages when it is full (discard: new): set discard to old".into()
    } else if [&config.mirror, &config.sources].into_iter().any(|other| is_set(other.as_ref())) {
        "it copies another stream (mirror or sources)".into()
    } else if config.retention != "limits" {
        format!(
            "its retention is {} instead of limits, which keeps messages that were read",
            config.retention
        )
    } else if config.subjects != [own.as_str()] {
        format!("its subjects are {:?} instead of [{own:?}]", config.subjects)
    } else if config.max_msgs_per_subject > 0 {
        "it has a limit for each subject (max_msgs_per_subject), which removes messages from the middle".into()
    } else if config.no_ack {
        "it does not acknowledge (no_ack), so a publish has no id".into()
    } else if is_set(config.subject_transform.as_ref()) {
        "it changes subjects (subject_transform)".into()
    } else if config.allow_msg_counter {
        "it is a counter (allow_msg_counter), which accepts numbers only".into()
    } else {
        return Ok(());
    };
    Err(format!(
        "the stream cannot serve as the log: {problem}; change it, or name another one with ?stream=NAME, which is \
         then created"
    ))
}

fn is_set(value: Option<&Value>) -> bool {
    value.is_some_and(|value| {
        !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_a_hub_creates_is_accepted_and_others_are_rejected() {
        let fit = new_stream("news", &Keep::default(), 1);
        let verdict = |key: &str, value: Value| {
            let mut config = fit.clone();
            config[key] = value;
            check("news", &serde_json::from_value(config).unwrap())
        };
        for (key, value) in [
            ("description", json!("anything")),
            ("deny_delete", json!(true)),
            ("deny_purge", json!(true)),
            ("allow_direct", json!(true)),
            ("allow_rollup_hdrs", json!(true)),
            ("republish", json!({ "src": ">", "dest": "copy.>" })),
            ("storage", json!("memory")),
        ] {
            assert_eq!(verdict(key, value), Ok(()), "{key}");
        }
        for (key, value) in [
            ("retention", json!("workqueue")),
            ("retention", json!("interest")),
            ("subjects", json!(["news.>", "other"])),
            ("max_msgs_per_subject", json!(1)),
            ("no_ack", json!(true)),
            ("discard", json!("new")),
            ("allow_msg_counter", json!(true)),
            ("subject_transform", json!({ "src": ">", "dest": "x.>" })),
            ("sealed", json!(true)),
            ("mirror", json!({ "name": "other" })),
            ("sources", json!([{ "name": "other" }])),
        ] {
            assert!(verdict(key, value).is_err(), "{key}");
        }
    }

    #[test]
    fn the_window_of_keys_is_not_longer_than_the_greatest_age() {
        let keep = Keep { age: Some(Duration::from_secs(5)), ..Keep::default() };
        let config = new_stream("news", &keep, 1);
        assert_eq!(config["duplicate_window"], config["max_age"]);
    }
}
