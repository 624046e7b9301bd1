//! Reads the values of arguments. Each function returns what a value means, or an error that says what is expected.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use tidings::core::{ParseIdError, Position};
use url::{Host, Url};

/// The error of a build without the feature `brokers`.
pub(crate) const NO_BROKERS: &str = "this build has no brokers: build with `--features brokers`";

/// The error of a build without the feature `axum`.
pub(crate) const NO_AXUM: &str = "this build has no axum: build with `--features axum`";

/// Accepts a text that this function accepts. Its error does not print the text, as others do: there may be a password
/// in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unprinted(pub(crate) fn(&str) -> Result<(), String>);

impl TypedValueParser for Unprinted {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let text = value.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
        let checked = text.and_then(|text| self.0(text).map(|()| text.to_owned()));
        checked.map_err(|problem| {
            let name = argument.and_then(clap::Arg::get_long).unwrap_or("this argument");
            let message = format!("invalid value for --{name}: {problem}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

pub(crate) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers = text.parse().ok().filter(|workers: &NonZeroUsize| workers.get() <= 1024);
    workers.ok_or_else(|| "expected a number from 1 to 1024".to_owned())
}

pub(crate) fn at_least_one() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=u64::from(u32::MAX))
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give seconds, such as 2.5".to_owned())?;
    let is_sound = (0.001..=86_400.0).contains(&seconds);
    is_sound
        .then(|| Duration::from_secs_f64(seconds))
        .ok_or_else(|| "give between 0.001 and 86400 seconds".to_owned())
}

pub(crate) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

/// As a browser writes it: nothing behind the authority, and no port that is the scheme's own.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let wanted =
        || "give SCHEME://HOST or SCHEME://HOST:PORT, such as https://shop.example".to_owned();
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(wanted)?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().or(url.fragment()).is_none();
    match url.origin() {
        _ if !is_bare => Err(wanted()),
        // A scheme that is not the web's, such as an extension's.
        origin if !origin.is_tuple() => Ok(text.trim_end_matches('/').to_owned()),
        origin => Ok(origin.ascii_serialization()),
    }
}

/// A name as browsers send it in `Host`, without a port.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let wanted = || "give a name without scheme, port or path, such as news.example".to_owned();
    let is_bare = !text.contains([':', '/', '@', '*', ' ']);
    let host = Host::parse(text).ok().filter(|_| is_bare).ok_or_else(wanted)?;
    Ok(host.to_string())
}

pub(crate) fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|error: ParseIdError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_secret_does_not_print_it() {
        let refuse = |_: &str| Err("it is wrong".to_owned());
        let argument = clap::Arg::new("broker").long("broker").value_parser(Unprinted(refuse));
        let command = clap::Command::new("tidings").arg(argument);
        let error = command.try_get_matches_from(["tidings", "--broker", "nats://a:s3cret@b"]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--broker: it is wrong"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn an_origin_is_as_a_browser_writes_it_or_refused() {
        for (given, meant) in [
            ("https://Shop.example", "https://shop.example"),
            ("https://shop.example:443/", "https://shop.example"),
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
            ("chrome-extension://abc", "chrome-extension://abc"),
        ] {
            assert_eq!(origin(given), Ok(meant.to_owned()));
        }
        for given in ["*", "shop.example", "127.0.0.1:8090", "http://shop.example/app", "http://"] {
            assert!(origin(given).unwrap_err().contains("https://shop.example"), "{given}");
        }
    }

    #[test]
    fn a_host_is_a_name_as_browsers_send_it() {
        for (given, meant) in [
            ("News.example", "news.example"),
            ("hub", "hub"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(host(given), Ok(meant.to_owned()));
        }
        for given in ["", "*", "https://news.example", "news.example:8080", "a b", "news.example/x"]
        {
            assert!(host(given).unwrap_err().contains("news.example"), "{given}");
        }
    }

    #[test]
    fn what_is_no_time_or_position_is_told() {
        assert!(seconds("-1").is_err() && seconds("NaN").is_err() && seconds("soon").is_err());
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert!(seconds("0").is_err());
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        assert!(position("nonsense").unwrap_err().contains("EPOCH-SEQ"));
    }
}
