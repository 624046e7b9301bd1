//! Events that NATS sends without a request: permission violations, and problems of the connection.

use std::fmt;
use std::sync::Arc;

use async_nats::{Event, ServerError};
use tidings_core::driver::LogLimit;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Logs the events of the connections to one broker, and sends permission violations to the requests in progress.
#[derive(Clone, Debug)]
pub(super) struct Events(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    broker: String,
    stream: String,
    denials: Sender<Denial>,
    publish: LogLimit,
    subscription: LogLimit,
    slow: LogLimit,
    other: LogLimit,
}

/// A permission that the user of this connection lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    is_publish: bool,
    subject: String,
    stream: String,
}

/// The number of denials that wait for one request. A request whose denial is dropped fails at its deadline instead.
const DENIALS: usize = 64;

impl Events {
    pub(super) fn new(broker: String, stream: String) -> Self {
        let (denials, _) = channel(DENIALS);
        let [publish, subscription, slow, other] = std::array::from_fn(|_| LogLimit::default());
        Self(Arc::new(Shared { broker, stream, denials, publish, subscription, slow, other }))
    }

    pub(super) fn denials(&self) -> Receiver<Denial> {
        self.0.denials.subscribe()
    }

    /// Logs the event if an operator should see it.
    pub(super) fn take(&self, event: &Event) {
        let Shared { broker, stream, denials, publish, subscription, slow, other } = &*self.0;
        let denial = match event {
            Event::ServerError(ServerError::Other(text)) => Denial::parse(text, stream),
            _ => None,
        };
        if let Some(denial) = denial {
            let limit = if denial.is_publish { publish } else { subscription };
            if let Some(left_out) = limit.admit() {
                tracing::warn!(broker, left_out, "{denial}");
            }
            // Fails if no request is in progress.
            let _ = denials.send(denial);
            return;
        }
        match event {
            Event::SlowConsumer(_) => {
                if let Some(left_out) = slow.admit() {
                    tracing::warn!(
                        broker,
                        left_out,
                        "this server reads more slowly than NATS sends, and follows the stream again from its \
                         last position; give it more CPU, or spread the topics over several streams"
                    );
                }
            }
            Event::ServerError(error) => {
                if let Some(left_out) = other.admit() {
                    tracing::warn!(broker, left_out, %error, "NATS sent an error");
                }
            }
            Event::LameDuckMode => {
                tracing::info!(broker, "the NATS server is about to shut down");
            }
            // The hub logs a lost connection when its tail ends.
            Event::Connected
            | Event::Disconnected
            | Event::Draining
            | Event::Closed
            | Event::ClientError(_) => tracing::debug!(broker, %event),
        }
    }
}

impl Denial {
    /// Parses `Permissions Violation for Publish to "SUBJECT"` or `… for Subscription to "SUBJECT"`.
    fn parse(text: &str, stream: &str) -> Option<Self> {
        let rest = text.trim_matches('\'').strip_prefix("Permissions Violation for ")?;
        let is_publish = rest.starts_with("Publish");
        let subject = rest.split('"').nth(1).unwrap_or_default().to_owned();
        Some(Self { is_publish, subject, stream: stream.to_owned() })
    }

    /// Returns `true` if a request to this subject fails because of it, or cannot receive its response.
    fn concerns(&self, subject: &str) -> bool {
        if self.is_publish { self.subject == subject } else { self.subject.starts_with("_INBOX") }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_publish, subject, stream } = self;
        let what = if *is_publish { "publish to" } else { "subscribe to" };
        write!(
            f,
            "permissions violation: this NATS user may not {what} {subject:?}; permit it to publish to {stream}.> and \
             $JS.API.>, and to subscribe to _INBOX.>"
        )
    }
}

/// Resolves with the first denial of a request to this subject.
pub(super) async fn denied(mut denials: Receiver<Denial>, subject: &str) -> Denial {
    loop {
        match denials.recv().await {
            Ok(denial) if denial.concerns(subject) => return denial,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_parsed_and_concerns_its_own_requests() {
        let parse = |text| Denial::parse(text, "tidings");
        let publish = parse(r#"Permissions Violation for Publish to "tidings.a""#).unwrap();
        assert!(publish.concerns("tidings.a") && !publish.concerns("tidings.b"));
        assert!(publish.to_string().contains("publish to \"tidings.a\""), "{publish}");
        let inbox = parse(r#"Permissions Violation for Subscription to "_INBOX.x.*""#).unwrap();
        assert!(inbox.concerns("tidings.a") && inbox.concerns("$JS.API.STREAM.INFO.tidings"));
        let other = parse(r#"Permissions Violation for Subscription to "orders" using queue "q""#);
        assert!(!other.unwrap().concerns("tidings.a"));
        assert_eq!(parse("Stale Connection"), None);
    }
}
