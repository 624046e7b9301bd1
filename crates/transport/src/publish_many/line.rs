//! One line of a request to publish many notifications.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tidings_core::{Headers, IdempotencyKey, Notification, Topic};

use crate::Rejection;

#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The number of the line, from 1. Blank lines count.
    pub(super) number: usize,
    pub(super) notification: Notification,
    pub(super) key: Option<IdempotencyKey>,
}

/// The JSON object of a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(default)]
    headers: Option<Headers>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
}

impl Line {
    pub(super) fn parse(number: usize, text: &[u8]) -> Result<Self, Rejection> {
        let sent: Sent<'_> = serde_json::from_slice(text).map_err(|error| {
            let text = error.to_string();
            // The parser is given one line, so its line number is always 1.
            let problem = text.rsplit_once(" at line ").map_or(&*text, |(problem, _)| problem);
            let (column, wanted) = (error.column(), r#"{"topic":"orders.new","data":"text"}"#);
            let message = format!("{problem} at column {column}; send lines such as {wanted}");
            Rejection::bad_request("bad_line", message)
        })?;
        let topic: Topic = sent.topic.parse()?;
        let mut notification = match (sent.data, sent.data_base64) {
            (Some(text), None) => Notification::text(topic, text.into_owned()),
            (None, Some(base64)) => {
                let payload = STANDARD.decode(base64.as_bytes()).map_err(|error| {
                    Rejection::bad_request(
                        "bad_payload",
                        format!("data_base64 is not base64: {error}"),
                    )
                })?;
                Notification::binary(topic, payload)
            }
            (None, None) | (Some(_), Some(_)) => {
                let message = "expected either \"data\", a text, or \"data_base64\", for binary";
                return Err(Rejection::bad_request("bad_line", message));
            }
        };
        if let Some(headers) = sent.headers {
            notification = notification.with_headers(headers);
        }
        let key = sent.key.map(|key| key.parse()).transpose()?;
        Ok(Self { number, notification, key })
    }
}
