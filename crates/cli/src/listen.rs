//! The listeners of `tidings serve`: TCP addresses, Unix sockets, and sockets that systemd passes.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use anyhow::Context;
#[cfg(unix)]
use tidings::server::Listener;
use tidings::server::{Server, Tls};
use url::Host;

/// A value of `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// `ADDRESS:PORT`. The address may be a name or an IPv6 address in brackets.
    Tcp(String),
    /// `unix:PATH`.
    #[cfg(unix)]
    Unix(PathBuf),
    /// `systemd`: every socket that systemd has passed to this process.
    #[cfg(unix)]
    Systemd,
}

/// Parses a value of `--listen`.
///
/// # Errors
/// Fails with the accepted forms if the text has none of them.
pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    #[cfg(unix)]
    match text.strip_prefix("unix:") {
        Some("") => return Err("expected unix:PATH, such as unix:/run/tidings/tidings.sock".into()),
        Some(path) => return Ok(Listen::Unix(path.into())),
        None if text == "systemd" => return Ok(Listen::Systemd),
        None => {}
    }
    let wanted = "expected ADDRESS:PORT, such as 127.0.0.1:8080, [::1]:8080 or localhost:0";
    let wanted =
        if cfg!(unix) { format!("{wanted}, or unix:PATH, or systemd") } else { wanted.into() };
    let (host, port) = text.rsplit_once(':').ok_or(&wanted)?;
    Host::parse(host).map_err(|error| format!("{error}: {wanted}"))?;
    port.parse::<u16>().map_err(|_| format!("{port:?} is not a port: {wanted}"))?;
    Ok(Listen::Tcp(text.to_owned()))
}

/// Parses the value of `--listen-plain`, which is a TCP address.
///
/// # Errors
/// Fails with the accepted form if the text is not an address.
pub(crate) fn listen_tcp(text: &str) -> Result<Listen, String> {
    match listen(text)? {
        listen @ Listen::Tcp(_) => Ok(listen),
        _ => Err("expected ADDRESS:PORT, because --listen unix:PATH has no TLS anyway".to_owned()),
    }
}

impl Listen {
    pub(crate) fn tcp(&self) -> Option<&str> {
        match self {
            Self::Tcp(address) => Some(address),
            #[cfg(unix)]
            _ => None,
        }
    }

    /// Adds this listener, or all those of systemd, to the server, and appends the URL of each to `urls`. TCP listeners
    /// use TLS if there is a `tls`. `option` is the option of the command line that named the listener.
    ///
    /// # Errors
    /// Fails if the listener cannot be bound or used. The error names it.
    pub(crate) async fn add(
        self,
        server: Server,
        tls: Option<&Tls>,
        option: &str,
        urls: &mut Vec<String>,
    ) -> anyhow::Result<Server> {
        match self {
            Self::Tcp(address) => {
                let bound = match tls {
                    Some(tls) => server.bind_tls(&address, tls).await,
                    None => server.bind(&address).await,
                };
                let server = bound.with_context(|| {
                    format!("cannot listen on {address}, choose another with {option} ADDRESS:PORT")
                })?;
                urls.extend(server.local_addrs().last().map(|address| url(address, tls)));
                Ok(server)
            }
            #[cfg(unix)]
            Self::Unix(path) => {
                let url = format!("unix:{}", path.display());
                let server =
                    server.bind_unix(path).with_context(|| format!("cannot listen on {url}"))?;
                urls.push(url);
                Ok(server)
            }
            #[cfg(unix)]
            Self::Systemd => {
                inherited(tls)?.into_iter().try_fold(server, |server, (listener, url)| {
                    let server = match (listener, tls) {
                        (Listener::Tcp(listener), Some(tls)) => server.listen_tls(listener, tls),
                        (listener, _) => server.listen(listener),
                    };
                    let server =
                        server.with_context(|| format!("cannot listen on {url}, from systemd"));
                    urls.push(url);
                    server
                })
            }
        }
    }
}

fn url(address: &SocketAddr, tls: Option<&Tls>) -> String {
    let scheme = if tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// The sockets that systemd has passed to this process (sd_listen_fds(3)), each with its URL.
///
/// # Errors
/// Fails if there are none, or one is not a TCP or Unix stream socket.
#[cfg(unix)]
fn inherited(tls: Option<&Tls>) -> anyhow::Result<Vec<(Listener, String)>> {
    let mut passed = listenfd::ListenFd::from_env();
    anyhow::ensure!(
        passed.len() > 0,
        "systemd has passed no socket to this process (LISTEN_FDS, LISTEN_PID): \
         --listen systemd is for a service with a socket unit, and is given once"
    );
    let all = 0..passed.len();
    let take = |index| {
        if let Ok(Some(listener)) = passed.take_unix_listener(index) {
            let path = listener.local_addr()?.as_pathname().map(|path| path.display().to_string());
            let url = format!("unix:{}", path.as_deref().unwrap_or("(without a path)"));
            return Ok((listener.into(), url));
        }
        let listener = passed.take_tcp_listener(index).ok().flatten().with_context(|| {
            format!("socket {} from systemd is not a TCP or Unix stream socket", index + 1)
        })?;
        let url = url(&listener.local_addr()?, tls);
        Ok((listener.into(), url))
    };
    all.map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_has_a_host_and_a_port() {
        for valid in ["127.0.0.1:8080", "[::1]:0", "localhost:65535", "hub.example:80"] {
            assert_eq!(listen(valid), Ok(Listen::Tcp(valid.to_owned())));
        }
        for wrong in
            ["foo", ":8080", "8080", "127.0.0.1", "127.0.0.1:", "h:99999", "h:http", "::1:8080"]
        {
            assert!(listen(wrong).unwrap_err().contains("expected ADDRESS:PORT"), "{wrong}");
        }
        assert!(listen("256.1.1.1:80").is_err() && listen("http://h:80").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_has_a_path() {
        assert_eq!(listen("unix:/run/a.sock"), Ok(Listen::Unix("/run/a.sock".into())));
        assert_eq!(listen("unix:a.sock"), Ok(Listen::Unix("a.sock".into())));
        assert!(listen("unix:").unwrap_err().contains("unix:PATH"));
        assert_eq!(listen("systemd"), Ok(Listen::Systemd));
        for text in ["unix:a.sock", "systemd"] {
            assert!(listen_tcp(text).unwrap_err().contains("ADDRESS:PORT"));
        }
    }
}
