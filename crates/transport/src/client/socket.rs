//! The TCP connection under every client.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use url::Host;

use super::{ClientError, Metered, Target};

/// How long one address is given to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the host of `target.url`, from `target.local` where it is given, without Nagle's delay.
/// Each address that the name has is tried in turn, ten seconds each.
///
/// # Errors
/// [`ClientError::BadUrl`] where the URL is not `http`; [`ClientError::Connect`] with the address that was
/// tried last.
pub async fn connect(target: &Target) -> Result<Metered<TcpStream>, ClientError> {
    let bad = |problem| ClientError::BadUrl { url: target.url.to_string(), problem };
    match target.url.scheme() {
        "http" => {}
        "https" | "wss" => {
            return Err(bad(
                "this client speaks no TLS: give an http URL, or put a proxy that does in between",
            ));
        }
        "ws" => return Err(bad("give the http URL, also for WebSocket")),
        _ => return Err(bad("the scheme is not http")),
    }
    let host = target.url.host().ok_or_else(|| bad("there is no host"))?;
    let port = target.url.port_or_known_default().unwrap_or(80);
    let failed = |address: String| move |source| ClientError::Connect { address, source };

    let addresses = match host {
        Host::Ipv4(ip) => vec![SocketAddr::new(ip.into(), port)],
        Host::Ipv6(ip) => vec![SocketAddr::new(ip.into(), port)],
        Host::Domain(name) => {
            lookup_host((name, port)).await.map_err(failed(format!("{name}:{port}")))?.collect()
        }
    };
    let nowhere = "the name has no address of the local address' family";
    let mut error = failed(format!("{host}:{port}"))(io::Error::other(nowhere));
    let fits = |to: &SocketAddr| target.local.is_none_or(|from| from.is_ipv4() == to.is_ipv4());
    for address in addresses.into_iter().filter(fits) {
        match attempt(address, target.local).await {
            Ok(stream) => return Ok(Metered::new(stream, target.meter.clone())),
            Err(source) => error = failed(address.to_string())(source),
        }
    }
    Err(error)
}

async fn attempt(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = timeout(PATIENCE, socket.connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Position;
    use tokio::net::TcpListener;

    fn target(url: &str, local: Option<&str>) -> Target {
        Target {
            url: url.parse().unwrap(),
            position: Position::Live,
            meter: Default::default(),
            local: local.map(|ip| ip.parse().unwrap()),
        }
    }

    #[tokio::test]
    async fn only_http_is_spoken_and_the_error_says_what_to_do() {
        for (url, advice) in [
            ("https://127.0.0.1/topics/a", "give an http URL"),
            ("ws://127.0.0.1/topics/a", "give the http URL"),
            ("unix:/tmp/socket", "the scheme is not http"),
        ] {
            let error = connect(&target(url, None)).await.unwrap_err();
            assert!(error.to_string().contains(advice), "{error}");
            assert!(error.is_final());
        }
    }

    #[tokio::test]
    async fn a_refused_connection_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(&target(&format!("http://{address}/"), None)).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(!error.is_final());
    }

    #[tokio::test]
    async fn the_connection_comes_from_the_local_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let stream = connect(&target(&url, Some("127.0.0.7"))).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, stream.inner().local_addr().unwrap());
        assert_eq!(peer.ip().to_string(), "127.0.0.7");
        assert!(stream.inner().nodelay().unwrap());
    }
}
