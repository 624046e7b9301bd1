//! Opens the connection of a client: TCP, and TLS for `https`.
//!
//! The future is boxed, so that it is compiled here and not again in each crate that awaits it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;
#[cfg(feature = "tls")]
use tokio_util::either::Either;
use url::{Host, Url};

use super::{ClientError, Target, shown};

/// A connection to a server: `Left` for TCP, and `Right` for TLS.
#[cfg(feature = "tls")]
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection to a server: TCP, because the feature `tls` is off.
#[cfg(not(feature = "tls"))]
pub type Stream = TcpStream;

/// The shortest time limit for an attempt to connect to one of several addresses.
const LEAST: Duration = Duration::from_secs(2);

/// A protocol that a client offers in the TLS handshake (ALPN, RFC 7301).
pub(super) const HTTP_1: &[u8] = b"http/1.1";
/// The same for HTTP/2 (RFC 9113, section 3.2).
pub(super) const HTTP_2: &[u8] = b"h2";

/// Connects to the host of `target.url`, with `TCP_NODELAY`, for HTTP/1.1. The schemes `wss` and `ws` mean `https` and `http`.
///
/// Name resolution, the TCP connection and the TLS handshake together take at most [`TimeLimits::connect`]. Several
/// addresses of a name are tried in turn. The time that is left is divided equally among those that are left, so that
/// an address that does not respond leaves time for the next.
///
/// # Errors
/// - [`ClientError::BadUrl`] if the URL has another scheme or no host, or needs TLS and the feature `tls` is off.
/// - [`ClientError::Connect`] if the name cannot be resolved or no address accepts a connection. It has the error of
///   the last address.
/// - [`ClientError::Certificate`] if the certificate of the server is not accepted.
/// - [`ClientError::Tls`] if the TLS handshake fails for any other reason.
///
/// [`TimeLimits::connect`]: super::TimeLimits::connect
pub fn connect(target: &Target) -> BoxFuture<'_, Result<Stream, ClientError>> {
    open(target, &[HTTP_1])
}

/// Connects as [`connect`] does, but offers these protocols in the TLS handshake.
#[cfg_attr(not(feature = "tls"), expect(unused_variables))]
pub(super) fn open<'a>(
    target: &'a Target,
    offered: &'a [&'static [u8]],
) -> BoxFuture<'a, Result<Stream, ClientError>> {
    Box::pin(async move {
        let bad = |problem| ClientError::BadUrl { url: shown(&target.url), problem };
        let is_tls = match target.url.scheme() {
            "http" | "ws" => false,
            "https" | "wss" if cfg!(feature = "tls") => true,
            "https" | "wss" => {
                return Err(bad("this build has no TLS, enable the feature `tls`"));
            }
            _ => return Err(bad("the scheme is not http or https")),
        };
        let host = target.url.host().ok_or_else(|| bad("it has no host"))?;
        let deadline = Instant::now() + target.options.limits.connect;
        let (address, stream) = first_that_answers(target, deadline, attempt).await?;
        #[cfg(feature = "tls")]
        let stream = if is_tls {
            let tls = target.options.tls.open(host, stream, offered);
            let failed = |source| super::handshake_error(&target.url, address, source);
            Stream::Right(Box::new(
                within(deadline, "the TLS handshake", tls).await.map_err(failed)?,
            ))
        } else {
            Stream::Left(stream)
        };
        Ok(stream)
    })
}

#[cfg_attr(not(feature = "tls"), expect(unused_variables))]
pub(super) fn is_http2(stream: &Stream) -> bool {
    #[cfg(feature = "tls")]
    if let Stream::Right(stream) = stream {
        return stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
    }
    false
}

/// The host and the port of a URL.
pub(super) fn name(host: &Host<&str>, url: &Url) -> String {
    format!("{host}:{}", url.port_or_known_default().unwrap_or(80))
}

/// Resolves the host of `target.url`, and calls `attempt` with each of its addresses until one succeeds. The time until
/// the deadline is divided equally among the addresses that are left, but each has at least two seconds of it.
///
/// # Errors
/// Fails with [`ClientError::BadUrl`] if the URL has no host, and with [`ClientError::Connect`] if the name cannot be
/// resolved or no attempt succeeds. It has the error of the last attempt.
pub async fn first_that_answers<T, F>(
    target: &Target,
    deadline: Instant,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), ClientError>
where
    F: Future<Output = io::Result<T>>,
{
    let no_host = || ClientError::BadUrl { url: shown(&target.url), problem: "it has no host" };
    let host = target.url.host().ok_or_else(no_host)?;
    let port = target.url.port_or_known_default().unwrap_or(80);
    let failed = |address: String, source| ClientError::Connect { address, source };
    let addresses = match host {
        Host::Ipv4(ip) => vec![SocketAddr::new(ip.into(), port)],
        Host::Ipv6(ip) => vec![SocketAddr::new(ip.into(), port)],
        Host::Domain(domain) => {
            let found = within(deadline, "name resolution", lookup_host((domain, port))).await;
            found.map_err(|source| failed(name(&host, &target.url), source))?.collect()
        }
    };
    let mut error = failed(name(&host, &target.url), io::Error::other("the name has no address"));
    for (at, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let share = (left / (addresses.len() - at) as u32).max(LEAST.min(left));
        match within(now + share, "connect", attempt(*address)).await {
            Ok(connection) => return Ok((*address, connection)),
            Err(source) => error = failed(address.to_string(), source),
        }
    }
    Err(error)
}

async fn within<T>(
    deadline: Instant,
    step: &str,
    done: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("{step} took too long"));
    timeout_at(deadline, done).await.unwrap_or_else(|_| Err(late()))
}

async fn attempt(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TimeLimits;
    use tokio::net::TcpListener;

    fn target(url: &str) -> Target {
        Target::new(url.parse().unwrap())
    }

    #[tokio::test]
    async fn another_scheme_is_a_final_error_that_shows_no_password() {
        for url in ["unix:/tmp/socket", "ftp://ann:s3cret@h/"] {
            let error = connect(&target(url)).await.unwrap_err();
            assert!(error.to_string().contains("the scheme is not http or https"), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert!(error.is_final());
        }
    }

    #[tokio::test]
    async fn ws_means_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        assert!(connect(&target(&url)).await.is_ok());
    }

    #[tokio::test]
    async fn a_refused_connection_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(&target(&format!("http://{address}/"))).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(!error.is_final());
    }

    /// A listener whose queue of connections is full does not respond further attempts.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_that_does_not_answer_times_out() {
        let full = tokio::net::TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = full.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let error = loop {
            let target = Target {
                options: crate::client::scripted::impatient(),
                ..target(&format!("http://{address}/"))
            };
            match connect(&target).await {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100, "the queue of the listener is not full");
        };
        let ClientError::Connect { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut, "{source}");
    }

    #[test]
    fn the_default_time_limits_are_at_most_half_a_minute_in_all() {
        let TimeLimits { connect, head, body } = TimeLimits::default();
        assert!(connect + head + body <= Duration::from_secs(30));
    }
}
