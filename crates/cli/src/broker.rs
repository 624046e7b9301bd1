//! The broker of `tidings serve`: attached to the hub, which waits for it if it is not there yet.

use std::sync::Arc;
use std::time::Duration;

use tidings::core::{Broker, BrokerError, Hub};
use tidings::message_queue::{BrokerConfig, connect};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

/// A failed attempt is logged again after this time, or at once if the problem is another one.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Attaches the broker at `url` to the hub. Tries again while the broker is away, for at most `patience` if
/// that is given.
///
/// `first_attempt` is completed when the first attempt has an outcome.
///
/// # Errors
/// If the broker refuses, so that another attempt would not help, or `patience` is over.
pub(crate) async fn attach(
    hub: Hub,
    url: String,
    config: BrokerConfig,
    patience: Option<Duration>,
    first_attempt: oneshot::Sender<()>,
) -> Result<(), BrokerError> {
    let until = patience.map(|patience| Instant::now() + patience);
    let mut first_attempt = Some(first_attempt);
    let (mut pause, mut logged) = (PAUSES.0, None::<(Instant, String)>);
    loop {
        let attempt = attach_once(&hub, &url, config);
        let outcome = match until {
            Some(until) => timeout_at(until, attempt).await.unwrap_or_else(|_| Err(late())),
            None => attempt.await,
        };
        let is_first = first_attempt.take().map(|sender| sender.send(())).is_some();
        let error = match outcome {
            // As loud as the wait was.
            Ok(()) if !is_first => {
                tracing::warn!("the broker is connected: the hub is ready");
                return Ok(());
            }
            Err(error @ BrokerError::Away { .. }) => error,
            done => return done,
        };
        if until.is_some_and(|until| Instant::now() + pause >= until) {
            return Err(error);
        }
        let problem = error.to_string();
        if logged.as_ref().is_none_or(|(at, last)| at.elapsed() >= LOG_EVERY || *last != problem) {
            tracing::warn!(%error, "the hub waits for its broker; publishes and clients get 503");
            logged = Some((Instant::now(), problem));
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn attach_once(hub: &Hub, url: &str, config: BrokerConfig) -> Result<(), BrokerError> {
    let broker: Arc<dyn Broker> = connect(url, config).await?;
    hub.attach(broker).await
}

fn late() -> BrokerError {
    BrokerError::Away { broker: "the broker".to_owned(), problem: "no answer in time".to_owned() }
}
