//! The broker of `tidings serve`: attached to the hub, which waits for it if it is not there yet.

use std::sync::Arc;
use std::time::Duration;

use tidings::core::broker::Broker;
use tidings::core::{BrokerError, Hub};
use tidings::message_queue::{BrokerConfig, Keep, check, connect};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use crate::values::{Unprinted, at_least_one, seconds};

/// A failed attempt is logged again after this time, or at once if the problem is another one.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

#[derive(Debug, clap::Args)]
pub(crate) struct BrokerArgs {
    /// The broker that this hub shares with others: nats://[USER:PASSWORD@]HOST:PORT or
    /// redis://[USER:PASSWORD@]HOST:PORT; tls:// and rediss:// are encrypted; ?stream=NAME names the stream
    /// [default: none, the hub's own memory]
    #[arg(long, value_name = "URL", value_parser = Unprinted(check))]
    broker: Option<String>,
    /// Exit if the broker is not connected within this many seconds of the start [default: wait for it]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "broker")]
    broker_timeout: Option<Duration>,
    /// Seconds for which the broker keeps a notification [default: a day]
    #[arg(long, value_name = "SECONDS", value_parser = age, requires = "broker")]
    keep_age: Option<Duration>,
    /// Notifications that the broker keeps [default: as many as age and bytes allow]
    #[arg(long, value_name = "N", value_parser = at_least_one(), requires = "broker")]
    keep_messages: Option<u64>,
    /// Bytes that the broker keeps [default: 1073741824]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..), requires = "broker")]
    keep_bytes: Option<u64>,
    /// On how many servers of a NATS cluster a new stream is stored
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5), requires = "broker")]
    replicas: u8,
}

impl BrokerArgs {
    /// Returns `true` if the hub has a broker.
    pub(crate) fn is_given(&self) -> bool {
        self.broker.is_some()
    }

    /// Returns what a new stream keeps, and on how many servers.
    fn config(&self) -> BrokerConfig {
        let default = Keep::default();
        let keep = Keep::default()
            .age(self.keep_age.or(default.age))
            .messages(self.keep_messages.or(default.messages))
            .bytes(self.keep_bytes.or(default.bytes));
        BrokerConfig::default().keep(keep).replicas(self.replicas.into())
    }
}

/// Attaches the broker, if one is given, to the hub. Tries again while the broker is away, for at most
/// `--broker-timeout`.
///
/// `first_attempt` is completed when the first attempt has an outcome.
///
/// # Errors
/// If the broker rejects the hub, so that another attempt would not help, or the timeout is over.
pub(crate) async fn attach(
    hub: Hub,
    args: BrokerArgs,
    first_attempt: oneshot::Sender<()>,
) -> Result<(), BrokerError> {
    let config = args.config();
    let Some(url) = args.broker else { return Ok(()) };
    let until = args.broker_timeout.map(|timeout| Instant::now() + timeout);
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

/// As long as anybody would keep a notification: ten years.
fn age(text: &str) -> Result<Duration, String> {
    let seconds: u64 = text.parse().map_err(|_| "give whole seconds, such as 3600".to_owned())?;
    let is_sound = (1..=10 * 366 * 86_400).contains(&seconds);
    is_sound.then(|| Duration::from_secs(seconds)).ok_or_else(|| "give 1 to 316224000".to_owned())
}
