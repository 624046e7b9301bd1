//! The broker of `tidings serve`. The server waits for a broker that cannot be reached yet.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use tidings::core::broker::Broker;
use tidings::core::{BrokerError, Hub};
use tidings::message_queue::{BrokerConfig, Keep, check, connect};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use crate::values::{at_least_one, seconds};

/// How long the same problem is not logged again. A different problem is logged at once.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Pauses between attempts: the first and the longest. Each is twice as long as the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

#[derive(Debug, clap::Args)]
pub(crate) struct BrokerArgs {
    /// Share this broker with other servers: nats://[USER:PASSWORD@]HOST:PORT or redis://[USER:PASSWORD@]HOST:PORT,
    /// encrypted as tls:// or rediss://; ?stream=NAME names the stream [default: no broker, only the server's memory]
    #[arg(long, value_name = "URL", value_parser = Unprinted(check))]
    broker: Option<String>,
    /// Exit if the broker is not connected within this time of the start [default: wait for it]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "broker")]
    broker_timeout: Option<Duration>,
    /// Keep notifications in the broker for this time [default: 86400]
    #[arg(long, value_name = "SECONDS", value_parser = age, requires = "broker")]
    keep_age: Option<Duration>,
    /// Keep at most N notifications in the broker [default: as many as age and bytes allow]
    #[arg(long, value_name = "N", value_parser = at_least_one(), requires = "broker")]
    keep_messages: Option<u64>,
    /// Keep at most this many bytes in the broker [default: 1073741824]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..), requires = "broker")]
    keep_bytes: Option<u64>,
    /// Store a new stream on N servers of a NATS cluster
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=5),
        requires = "broker"
    )]
    replicas: u8,
}

impl BrokerArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.broker.is_some()
    }

    /// The retention of a new stream, and the number of its replicas.
    fn config(&self) -> BrokerConfig {
        let default = Keep::default();
        let keep = Keep::default()
            .age(self.keep_age.or(default.age))
            .messages(self.keep_messages.or(default.messages))
            .bytes(self.keep_bytes.or(default.bytes));
        BrokerConfig::default().keep(keep).replicas(self.replicas.into())
    }
}

/// Attaches the broker to the hub, or returns at once if no broker is given. While the broker cannot be reached, tries
/// again until `--broker-timeout`.
///
/// `first_attempt` is completed when the first attempt has succeeded or failed.
///
/// # Errors
/// Fails if the broker rejects the server, so that another attempt would not help, or after the timeout.
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
            // A warning, because the wait was logged as one.
            Ok(()) if !is_first => {
                tracing::warn!("the broker is connected, the server is ready");
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
            tracing::warn!(%error, "the server waits for its broker and rejects publishers and clients with 503");
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
    BrokerError::Away { broker: "the broker".to_owned(), problem: "no response in time".to_owned() }
}

/// Parses a number of whole seconds, up to ten years.
///
/// # Errors
/// Fails with what is expected if the text is not such a number.
fn age(text: &str) -> Result<Duration, String> {
    let seconds: u64 =
        text.parse().map_err(|_| "expected whole seconds, such as 3600".to_owned())?;
    let is_sound = (1..=10 * 366 * 86_400).contains(&seconds);
    is_sound
        .then(|| Duration::from_secs(seconds))
        .ok_or_else(|| "expected 1 to 316224000 seconds".to_owned())
}

/// Parses a value with this function. Unlike clap's own parsers, the error does not contain the value, which may have a
/// password in it.
#[derive(Clone, Copy, Debug)]
struct Unprinted(fn(&str) -> Result<(), String>);

impl TypedValueParser for Unprinted {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let text = value.to_str().ok_or_else(|| "not UTF-8".to_owned());
        let checked = text.and_then(|text| self.0(text).map(|()| text.to_owned()));
        checked.map_err(|problem| {
            let name = argument.and_then(clap::Arg::get_long).unwrap_or("this argument");
            let message = format!("invalid value for --{name}: {problem}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_contain_a_secret_value() {
        let reject = |_: &str| Err("it is wrong".to_owned());
        let argument = clap::Arg::new("broker").long("broker").value_parser(Unprinted(reject));
        let command = clap::Command::new("tidings").arg(argument);
        let error = command.try_get_matches_from(["tidings", "--broker", "nats://a:s3cret@b"]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--broker: it is wrong"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
