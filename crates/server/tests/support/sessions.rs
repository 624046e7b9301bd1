//! Sessions of WebTransport: a listener with TLS, and the targets of clients.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use tidings_server::{Server, Tls};
use tidings_transport::client::{ConnectOptions, Target};

/// Where a server accepts sessions, and how clients trust it.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) address: SocketAddr,
    pub(crate) options: ConnectOptions,
}

impl Sessions {
    /// Adds a listener with TLS that uses this certificate.
    pub(crate) fn add(server: Server, tls: &Tls, pem: &str) -> (Server, Self) {
        let listener = free_for_both();
        let address = listener.local_addr().unwrap();
        (server.listen_tls(listener, tls).unwrap(), Self { address, options: trusting(pem) })
    }

    pub(crate) fn target(&self, filters: &str) -> Target {
        let url = format!("https://{}/topics/{filters}", self.address);
        Target::new(url.parse().unwrap()).options(self.options.clone())
    }
}

pub(crate) fn trusting(pem: &str) -> ConnectOptions {
    let tls = tidings_transport::client::Tls::with_authorities(pem.as_bytes()).unwrap();
    ConnectOptions::default().tls(tls)
}

/// A listener at a port that is free for UDP too.
pub(crate) fn free_for_both() -> TcpListener {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if UdpSocket::bind(listener.local_addr().unwrap()).is_ok() {
            return listener;
        }
    }
}
