//! TLS for tests: a certificate, clients that trust it, and a forwarder, by which clients of a scenario that speak plain
//! HTTP reach a server of TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use socket2::SockRef;
use tidings_server::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A self-signed certificate for `localhost` and `127.0.0.1`.
pub(crate) struct Certificate {
    pub(crate) tls: Tls,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let signed = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let der = signed.cert.der().clone();
        let tls = Tls::from_der(vec![der.clone()], key.clone_key()).unwrap();
        Self { tls, der, pem: signed.cert.pem(), key }
    }

    pub(crate) fn tls_of_http1(&self) -> Tls {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Tls::from_config(config)
    }

    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        client_that_trusts(self.der.clone(), version)
    }
}

/// The configuration of a client that trusts this certificate, and speaks HTTP/1.1 by this version of TLS.
pub(crate) fn client_that_trusts(
    certificate: CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// The versions of TLS.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Connects a client, and completes the handshake.
pub(crate) async fn connect_tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(config).connect(name, socket).await.unwrap()
}

/// Accepts plain connections, and forwards each over TLS until both sides are closed. A side that is closed is closed on
/// the other connection as well, and a reset is a reset there. Each socket has buffers of `buffer` bytes.
pub(super) async fn forward(
    listener: TcpListener,
    server: SocketAddr,
    config: Arc<ClientConfig>,
    buffer: usize,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(forward_one(client, server, config.clone(), buffer));
    }
}

/// The buffers of the forwarder's sockets, in bytes.
pub(super) const BUFFER: usize = 64 << 10;

/// The same, for a reader that stalls: together they are smaller than a payload. Each packet of the loopback device is
/// larger, so they are slow.
pub(super) const NARROW: usize = 8 << 10;

async fn forward_one(
    mut client: TcpStream,
    server: SocketAddr,
    config: Arc<ClientConfig>,
    buffer: usize,
) {
    let Ok(socket) = TcpStream::connect(server).await else { return };
    // The system would let them grow to more than a flood, and a slow reader would not be slow.
    SockRef::from(&socket).set_recv_buffer_size(buffer).unwrap();
    SockRef::from(&client).set_send_buffer_size(buffer).unwrap();
    let name = "localhost".try_into().unwrap();
    let Ok(mut server) = TlsConnector::from(config).connect(name, socket).await else { return };
    let watched = SockRef::from(&client).try_clone().unwrap();
    let watched = TcpStream::from_std(watched.into()).unwrap();
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = split(&mut server);
    let copied = tokio::try_join!(
        copy(client_reads, server_writes),
        copy_until_reset(server_reads, client_writes, &watched),
    );
    if copied.is_err() {
        for socket in [&client, server.get_ref().0] {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Copies what the server sends, until its end. Fails at a reset by the client, which is how the system of a client that
/// has left responds to what it is sent.
async fn copy_until_reset(
    server: impl AsyncRead + Unpin,
    client: impl AsyncWrite + Unpin,
    watched: &TcpStream,
) -> io::Result<()> {
    tokio::select! {
        copied = copy(server, client) => copied,
        reset = watched.ready(Interest::ERROR) => {
            reset?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// Copies until the end. A server that closes without `close_notify` ends the stream as well.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = match from.read(&mut buffer).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            count => count?,
        };
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}
