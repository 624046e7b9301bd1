//! Parsers for the values of arguments. The error of each contains what was expected.

use std::num::NonZeroUsize;
use std::time::Duration;

use tidings::core::{ParseIdError, Position};
use url::{Host, Url};

/// The error of a build without the feature `brokers`, after the argument that needs it.
pub(crate) const NO_BROKERS: &str =
    "needs a build with the feature brokers: cargo install --path crates/cli --features brokers";

/// The error of a build without the feature `webtransport`, after what needs it.
pub(crate) const NO_WEBTRANSPORT: &str = "needs a build with the feature webtransport: cargo install --path \
                                          crates/cli --features webtransport";

/// The error of a build without the feature `axum`, after the argument that needs it.
pub(crate) const NO_AXUM: &str =
    "needs a build with the feature axum: cargo install --path crates/cli --features axum";

/// Parses a number of threads.
///
/// # Errors
/// Fails with what is expected if it is not 1 to 1024.
pub(crate) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers = text.parse().ok().filter(|workers: &NonZeroUsize| workers.get() <= 1024);
    workers.ok_or_else(|| "expected a number from 1 to 1024".to_owned())
}

pub(crate) fn at_least_one() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=u64::from(u32::MAX))
}

/// Parses a time in seconds, from 1 ms to one day.
///
/// # Errors
/// Fails with what is expected if the text is not such a time.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds, such as 2.5".to_owned())?;
    let is_sound = (0.001..=86_400.0).contains(&seconds);
    is_sound
        .then(|| Duration::from_secs_f64(seconds))
        .ok_or_else(|| "expected 0.001 to 86400 seconds".to_owned())
}

/// Parses a price or a quantity.
///
/// # Errors
/// Fails with what is expected if the text is not a number, or if it is negative or infinite.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number from 0 on, such as 0.09".to_owned())
}

/// Parses a time as [`seconds`] does, or `0`.
///
/// # Errors
/// Fails with what is expected if the text is not such a time.
pub(crate) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

/// Parses an origin and serializes it as a browser does: without a path, and without the default port of its scheme.
///
/// # Errors
/// Fails with the expected form if the text is not a URL with a host, or has a path, a query or a fragment.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let wanted =
        || "expected SCHEME://HOST or SCHEME://HOST:PORT, such as https://shop.example".to_owned();
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(wanted)?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().or(url.fragment()).is_none();
    match url.origin() {
        _ if !is_bare => Err(wanted()),
        // A scheme other than http and https, such as that of a browser extension.
        origin if !origin.is_tuple() => Ok(text.trim_end_matches('/').to_owned()),
        origin => Ok(origin.ascii_serialization()),
    }
}

/// Parses a host name and returns it as browsers send it in `Host`, in lower case and Punycode.
///
/// # Errors
/// Fails with the expected form if the text is not a name, or has a scheme, a port or a path.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let wanted = || "expected a name without scheme, port or path, such as news.example".to_owned();
    let is_bare = !text.contains([':', '/', '@', '*', ' ']);
    let host = Host::parse(text).ok().filter(|_| is_bare).ok_or_else(wanted)?;
    Ok(host.to_string())
}

/// Parses a position: an id, `earliest` or `latest`.
///
/// # Errors
/// Fails with the expected form if the text is not a position.
pub(crate) fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|error: ParseIdError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_serialized_as_by_a_browser_or_rejected() {
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
    fn invalid_times_and_positions_are_errors() {
        assert!(seconds("-1").is_err() && seconds("NaN").is_err() && seconds("soon").is_err());
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert!(seconds("0").is_err());
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        assert!(position("nonsense").unwrap_err().contains("EPOCH-SEQ"));
    }
}
