//! The ways in which a server moves bytes.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tidings_core::{Hub, HubConfig};
use tidings_server::{Config, ServeBy, Server};
use tidings_transport::compression::CompressionConfig;

use super::{Broker, Running};

/// A way in which a server moves bytes, and the broker of its hub.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mover {
    pub(super) way: Way,
    pub(crate) broker: Option<Broker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By lanes, with many sends in one system call if the kernel has io_uring.
    Lane,
    /// By lanes, with one system call for each send.
    PlainLane,
    /// By the general path.
    Stream,
    /// By lanes over TLS, with a forwarder for the clients.
    TlsLane,
    /// By the general path over TLS, with a forwarder for the clients.
    TlsStream,
    /// By lanes that compress, with a forwarder that decompresses for the clients.
    CompressedLane,
    /// By the general path that compresses, with a forwarder that decompresses for the clients.
    CompressedStream,
    /// By a mount in axum.
    Axum,
    /// By a mount in axum that hands upgraded connections over to lanes.
    AxumToLanes,
    /// By a mount in hyper.
    Hyper,
    /// By the service of our server in hyper.
    Service,
    /// By our server over HTTP/2, with a bridge for the clients.
    Http2,
    /// By sessions of WebTransport. The same server has lanes, at another address.
    Session,
}

impl Way {
    /// The mover of this way for the transport with this index: over NATS, over Redis or without a broker.
    pub(super) fn in_turn(self, transport: usize) -> Mover {
        let mover = Mover::of(self);
        match (self as usize + transport) % 3 {
            0 => mover.over(Broker::Nats),
            1 => mover.over(Broker::Redis),
            _ => mover,
        }
    }
}

/// A configuration, and the way to serve it.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(super) config: Config,
    pub(super) way: Way,
}

impl Deref for Setup {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl DerefMut for Setup {
    fn deref_mut(&mut self) -> &mut Config {
        &mut self.config
    }
}

impl Setup {
    /// A server of tidings without a listener.
    pub(crate) fn server(self) -> Server {
        let Self { config, way } = self;
        let serve_by = match way {
            Way::Lane | Way::TlsLane | Way::CompressedLane | Way::Session => ServeBy::Lanes,
            Way::PlainLane => ServeBy::LanesWithoutIoUring,
            Way::Stream | Way::TlsStream | Way::CompressedStream => ServeBy::GeneralPath,
            Way::Http2 => ServeBy::default(),
            Way::Axum | Way::AxumToLanes | Way::Hyper | Way::Service => {
                panic!("{way:?} is not served by a server of tidings")
            }
        };
        let builder = Server::builder(config.hub.clone()).configure(|own| *own = config);
        builder.serve_by(serve_by).build()
    }
}

impl Mover {
    pub(crate) const LANE: Self = Self::of(Way::Lane);
    pub(crate) const PLAIN_LANE: Self = Self::of(Way::PlainLane);
    pub(crate) const STREAM: Self = Self::of(Way::Stream);
    pub(crate) const SESSION: Self = Self::of(Way::Session);

    pub(super) const fn of(way: Way) -> Self {
        Self { way, broker: None }
    }

    /// Clients of HTTP/1.1 connect to a forwarder or a bridge, which is the client of TLS.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self.way, Way::TlsLane | Way::TlsStream | Way::Http2 | Way::Session)
    }

    /// Clients of HTTP/1.1 connect to a forwarder, which accepts compression for them.
    pub(crate) fn is_compressed(self) -> bool {
        matches!(self.way, Way::CompressedLane | Way::CompressedStream)
    }

    /// Whether lanes of our server compress.
    pub(crate) fn is_compressed_lane(self) -> bool {
        self.way == Way::CompressedLane
    }

    pub(crate) fn is_http2(self) -> bool {
        self.way == Way::Http2
    }

    pub(crate) const fn over(self, broker: Broker) -> Self {
        Self { way: self.way, broker: Some(broker) }
    }

    /// A configuration with a new hub, over the broker of this mover if it has one.
    pub(crate) async fn config(self, hub: HubConfig) -> Setup {
        let hub = match self.broker {
            None => Hub::new(hub),
            Some(broker) => broker.hub(hub).await,
        };
        self.config_of(hub)
    }

    pub(crate) fn config_of(self, hub: Hub) -> Setup {
        let mut config = Config::new(hub);
        config.workers = NonZeroUsize::new(2).unwrap();
        config.drain = Duration::from_millis(100);
        if self.is_compressed() {
            config.compression = Some(CompressionConfig::default());
        }
        Setup { config, way: self.way }
    }

    /// Starts a server whose hub has the defaults.
    pub(crate) async fn hub(self) -> Running {
        Running::start(self.config(HubConfig::default()).await).await
    }
}

impl fmt::Debug for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.broker {
            None => write!(f, "{:?}", self.way),
            Some(broker) => write!(f, "{:?} over {broker:?}", self.way),
        }
    }
}
