//! The names by which a server may be addressed, checked against DNS rebinding.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::StatusCode;
use http::request::Parts;

use crate::Rejection;
use crate::request::host;

/// The names by which a server may be addressed.
///
/// This check is against DNS rebinding: a page is served from a name, and the owner of the name then changes its
/// address, for example to `127.0.0.1`. For the browser, the server at that address has the same origin as the page, so
/// an origin policy does not reject the page. But the browser still sends the page's name as `Host`.
///
/// A request without a host is accepted, because it is not from a browser.
///
/// ```
/// use std::net::SocketAddr;
/// use tidings_transport::Hosts;
///
/// let request = |host| http::Request::get("/").header("host", host).body(()).unwrap().into_parts().0;
/// let listener: SocketAddr = "127.0.0.1:8080".parse().unwrap();
/// let hosts = Hosts::default();
/// assert!(hosts.check(&request("localhost:8080"), listener).is_ok());
/// assert_eq!(hosts.check(&request("evil.example:8080"), listener).unwrap_err().status, 421);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Any name, unless the request arrived at a listener without TLS on a loopback address. Such a request may name
    /// `localhost` and names below it, IP addresses, and names without a dot. A name without a dot cannot be registered
    /// in the public DNS, and proxies and containers use such names for servers in their network. The default.
    #[default]
    ByListener,
    /// These names, given without a port, `localhost` and names below it, and IP addresses. This applies to all
    /// listeners.
    Listed(Vec<String>),
    /// Any name. For an application that checks the host.
    Any,
}

/// The kind of a listener, by the programs that can reach it. [`Hosts`], [`Origins`](crate::Origins) and the options of
/// the listener's sockets depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerKind {
    /// A TCP listener on a loopback address. Only programs on this machine, such as browsers, can reach it.
    Loopback,
    /// A TCP listener on any other address, or on all addresses of the machine.
    Network,
    /// A TCP listener with TLS, on any address. A browser accepts its certificate only for the name of the page, so DNS
    /// rebinding is not possible.
    Tls,
    /// A Unix socket. Browsers cannot connect to it, so DNS rebinding is not possible.
    Unix,
}

impl ListenerKind {
    /// Returns the kind that the application has added to the extensions of a request, otherwise [`Self::Network`].
    pub(crate) fn of(request: &Parts) -> Self {
        request.extensions.get().copied().unwrap_or(Self::Network)
    }
}

impl From<SocketAddr> for ListenerKind {
    fn from(address: SocketAddr) -> Self {
        if address.ip().to_canonical().is_loopback() { Self::Loopback } else { Self::Network }
    }
}

impl Hosts {
    /// Checks the host of a request that arrived at this listener. `listener` is its kind, or for a TCP listener its
    /// local address.
    ///
    /// # Errors
    /// Fails with a `421` (RFC 9110, section 15.5.20) if the server may not be addressed by this name.
    pub fn check(
        &self,
        request: &Parts,
        listener: impl Into<ListenerKind>,
    ) -> Result<(), Rejection> {
        let is_exempt = match self {
            Self::ByListener => listener.into() != ListenerKind::Loopback,
            Self::Listed(_) => false,
            Self::Any => true,
        };
        if is_exempt {
            return Ok(());
        }
        match host(request).map(name) {
            Some(name) if !self.accept(name) => Err(misdirected(name)),
            _ => Ok(()),
        }
    }

    fn accept(&self, name: &str) -> bool {
        let is_accepted = match self {
            Self::Listed(names) => names.iter().any(|one| one.eq_ignore_ascii_case(name)),
            Self::ByListener | Self::Any => !name.contains('.') && !name.contains(':'),
        };
        is_accepted || name.is_empty() || is_address(name) || is_localhost(name)
    }
}

/// The host without its port.
fn name(host: &str) -> &str {
    host.trim_end_matches(|last: char| last.is_ascii_digit()).strip_suffix(':').unwrap_or(host)
}

/// An IP address is not looked up in DNS.
fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
    }
}

/// `localhost` and names below it always resolve to a loopback address (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

fn misdirected(name: &str) -> Rejection {
    let message = format!(
        "host {name:?} is not a name of this server: list it in Hosts (--host {name} of the program tidings)"
    );
    Rejection::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [&str; 3] = ["127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080"];
    const PUBLIC: [&str; 3] = ["0.0.0.0:8080", "192.0.2.1:8080", "[::]:8080"];
    const LOCAL: [&str; 9] = [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "tidings.localhost:8080",
        "127.0.0.1:8080",
        "192.0.2.7",
        "[::1]:8080",
        "[2001:db8::1]",
        "",
    ];
    const FOREIGN: [&str; 9] = [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "evillocalhost.example",
        "com.",
        "[::1].evil.example",
        "ann@evil.example",
        "::1.evil.example",
    ];

    fn check(hosts: &Hosts, host: &str, listener: &str) -> Result<(), Rejection> {
        let request = http::Request::get("/").header("host", host).body(()).unwrap();
        hosts.check(&request.into_parts().0, listener.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn a_loopback_listener_accepts_names_that_public_dns_cannot_have() {
        let hosts = Hosts::ByListener;
        for listener in LOOPBACK {
            for host in LOCAL.into_iter().chain(["hub", "hub:8080"]) {
                assert_eq!(check(&hosts, host, listener), Ok(()), "{host}");
            }
            for host in FOREIGN {
                let rejection = check(&hosts, host, listener).expect_err(host);
                assert_eq!((rejection.status.as_u16(), rejection.code), (421, "unknown_host"));
            }
        }
        for (listener, host) in PUBLIC.into_iter().zip(FOREIGN) {
            assert_eq!(check(&hosts, host, listener), Ok(()), "{host} on {listener}");
        }
        let request = http::Request::get("/").header("host", "evil.example").body(()).unwrap();
        let request = request.into_parts().0;
        assert_eq!(hosts.check(&request, ListenerKind::Unix), Ok(()));
        assert_eq!(hosts.check(&request, ListenerKind::Tls), Ok(()));
    }

    #[test]
    fn listed_names_are_accepted_on_every_listener_and_others_on_none() {
        let hosts = Hosts::Listed(vec!["news.example".to_owned()]);
        for listener in LOOPBACK.into_iter().chain(PUBLIC) {
            for host in LOCAL.into_iter().chain(["news.example", "News.Example:8443"]) {
                assert_eq!(check(&hosts, host, listener), Ok(()), "{host}");
            }
            for host in FOREIGN.into_iter().chain(["hub", "old.news.example", "news.example.evil"])
            {
                assert!(check(&hosts, host, listener).is_err(), "{host}");
            }
        }
        assert_eq!(check(&Hosts::Any, "evil.example", "127.0.0.1:1"), Ok(()));
    }

    #[test]
    fn the_rejection_names_the_host_the_setting_and_the_flag() {
        let rejection = check(&Hosts::ByListener, "evil.example:8080", "127.0.0.1:1").unwrap_err();
        assert!(rejection.message.contains("\"evil.example\""), "{}", rejection.message);
        assert!(rejection.message.contains("--host evil.example "), "{}", rejection.message);
        let places = ["Hosts", "--host"].map(|word| rejection.message.find(word).unwrap());
        assert!(places.is_sorted(), "{}", rejection.message);
    }

    #[test]
    fn an_absolute_target_takes_precedence_over_the_host_header() {
        let request = http::Request::get("http://evil.example/").header("host", "localhost");
        let request = request.body(()).unwrap().into_parts().0;
        assert!(Hosts::ByListener.check(&request, ListenerKind::Loopback).is_err());
        let request = http::Request::get("/").body(()).unwrap().into_parts().0;
        assert_eq!(Hosts::ByListener.check(&request, ListenerKind::Loopback), Ok(()));
    }
}
