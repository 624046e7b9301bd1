//! The UDP socket of an endpoint, and its QUIC configuration.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};
use socket2::SockRef;
use tidings_core::Heartbeat;
use tidings_transport::Transport;
use tidings_webtransport::NAME;
use web_transport_quinn::ALPN;

use crate::config::Config;
use crate::tls::Tls;

/// The bytes of datagrams that wait in the socket. All sessions share it, and a datagram without room is lost, which delays
/// a handshake by a second. On Linux the limit is the setting `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A UDP socket at the address of a TCP listener with TLS.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) socket: UdpSocket,
    pub(super) config: ServerConfig,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) address: SocketAddr,
    pub(super) tls: Tls,
}

impl Listener {
    /// Binds a UDP socket at the address of this TCP listener. `None` if the transport is not configured.
    ///
    /// # Errors
    /// Fails if the UDP address cannot be bound, or if the TLS configuration does not allow TLS 1.3, which QUIC needs.
    /// The error names the address.
    pub(crate) fn bind(
        config: &Config,
        listener: &TcpListener,
        tls: &Tls,
    ) -> io::Result<Option<Self>> {
        let Some(transport) = config.transports.iter().find(|it| it.name() == NAME) else {
            return Ok(None);
        };
        let address = listener.local_addr()?;
        let bind = || {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            // The system grants what its limit allows, which is enough for few sessions.
            let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
            let config = server_config(tls, &config.hub.heartbeat())?;
            let (transport, tls) = (transport.clone(), tls.clone());
            Ok(Some(Self { socket, config, transport, address, tls }))
        };
        bind().map_err(|error: io::Error| {
            io::Error::new(error.kind(), format!("UDP {address} for WebTransport: {error}"))
        })
    }
}

/// Each handshake uses the certificates that are current at its start.
fn server_config(tls: &Tls, heartbeat: &Heartbeat) -> io::Result<ServerConfig> {
    let mut tls = rustls::ServerConfig::clone(tls.config());
    tls.alpn_protocols = vec![ALPN.as_bytes().to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "QUIC needs TLS 1.3, which the configuration does not allow",
        )
    })?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport_config(heartbeat)));
    Ok(config)
}

/// The shortest idle timeout. A busy machine may need some time to acknowledge a packet.
const MIN_IDLE: Duration = Duration::from_secs(3);

/// The longest idle timeout, which is longer than any sensible heartbeat.
const MAX_IDLE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The longest time without a packet. Browsers close a connection after 30 s.
const MAX_QUIET: Duration = Duration::from_secs(25);

/// The most bytes of all streams of one client that are received and not read.
const RECEIVE_WINDOW: u32 = 128 << 10;

/// The most bytes of one stream that are received and not read.
const STREAM_RECEIVE_WINDOW: u32 = 64 << 10;

/// The most bytes that are sent to one client and not acknowledged. More wait in the log.
const SEND_WINDOW: u64 = 256 << 10;

/// The most unidirectional streams that one client has open: the control stream of HTTP/3, two of QPACK, and messages.
const UNI_STREAMS: u32 = 16;

/// The most bidirectional streams that one client has open. One is the session. Others are not read.
const BIDI_STREAMS: u32 = 4;

/// The most bytes of datagrams. The server reads none, but browsers require that it accepts them.
const DATAGRAMS: usize = 4 << 10;

fn transport_config(heartbeat: &Heartbeat) -> TransportConfig {
    let idle = heartbeat.interval.saturating_mul(u32::from(heartbeat.strikes.max(1)));
    let idle = idle.clamp(MIN_IDLE, MAX_IDLE);
    // Milliseconds of a week fit into the number of the protocol.
    let milliseconds = VarInt::from_u32(u32::try_from(idle.as_millis()).unwrap_or(u32::MAX));
    let mut config = TransportConfig::default();
    config.max_idle_timeout(Some(IdleTimeout::from(milliseconds)));
    config.keep_alive_interval(Some((idle / 3).min(MAX_QUIET)));
    config.receive_window(RECEIVE_WINDOW.into());
    config.stream_receive_window(STREAM_RECEIVE_WINDOW.into());
    config.send_window(SEND_WINDOW);
    config.max_concurrent_uni_streams(UNI_STREAMS.into());
    config.max_concurrent_bidi_streams(BIDI_STREAMS.into());
    config.datagram_receive_buffer_size(Some(DATAGRAMS));
    config.datagram_send_buffer_size(DATAGRAMS);
    config
}
