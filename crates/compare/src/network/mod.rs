//! Simulated networks between servers and clients: delay, jitter, loss and a limited rate.
//!
//! ```text
//! namespace of the server                   this process                    namespace of the clients
//!  198.18.0.1 ── TUN ──►  relay: one thread, a link down and a link up  ──► TUN ── 198.18.0.2 … 198.18.0.17
//! ```
//!
//! [`Network::start`] makes two network namespaces, each with a TUN device, and a thread that moves IP packets between
//! the devices. A process that is started [inside](Namespace::inside) a namespace has no other network than this one.
//! It needs Linux, `/dev/net/tun` and root (`CAP_SYS_ADMIN` and `CAP_NET_ADMIN`). Without them, it fails with
//! [`Unavailable`], so that a caller can skip the measurement. Linux's own `netem` is not used because many kernels of
//! containers and of small virtual machines are built without it.
//!
//! Packets are those of a real network: the MTU is 1,500 bytes, and segmentation offload is off, so a packet that is
//! lost is one segment. All clients share one link in each direction, like the devices behind one access line.
//! The network carries IPv4 only. The relay does not count or forward IPv6.
//!
//! The relay measures too: its [`Counts`] are the bytes that TCP and QUIC really use, with headers, acknowledgements
//! and retransmissions. [`Network::check`] compares delay and loss with the profile before a measurement.
//!
//! | idea | file |
//! | --- | --- |
//! | named networks and their numbers | `profile.rs` |
//! | what happens to one packet, without I/O | `link.rs` |
//! | the thread between the devices, and what it counts | `relay.rs` |
//! | namespaces, and the devices and addresses inside | `namespace.rs`, `device.rs` |
//! | a network measured by itself | `check.rs` |

mod check;
mod device;
mod link;
mod namespace;
mod profile;
mod relay;

use std::net::Ipv4Addr;

use anyhow::{Context, ensure};

pub(crate) use namespace::{Namespace, Unavailable};
pub(crate) use profile::Profile;

use link::Link;
use relay::Relay;

use crate::network_counts::Counts;

/// The address of the server inside its namespace. The range 198.18.0.0/15 is reserved for benchmarks (RFC 2544,
/// appendix C.2.2), and exists only inside the namespaces.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The addresses inside the namespace of the clients. A socket that is not bound to one of them has the first one.
/// Each address has about 28,000 ports for connections to one port of the server.
pub(crate) const CLIENTS: [Ipv4Addr; 16] = {
    let mut addresses = [SERVER; 16];
    let mut i = 0;
    while i < addresses.len() {
        addresses[i] = Ipv4Addr::new(198, 18, 0, 2 + i as u8);
        i += 1;
    }
    addresses
};

/// A network between a server and its clients. Dropping it stops the relay and gives up the namespaces. The kernel
/// removes a namespace once no process and no socket is left in it.
#[derive(Debug)]
pub(crate) struct Network {
    profile: Profile,
    relay: Relay,
    server: Namespace,
    clients: Namespace,
}

impl Network {
    /// Makes the namespaces and starts the relay. With the same `seed`, a link loses the same packets, counted from its
    /// first one.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`] if this system or user cannot have such a network.
    /// `error.downcast_ref::<Unavailable>()` tells it apart from other errors.
    pub(crate) fn start(profile: &Profile, seed: u64) -> anyhow::Result<Self> {
        let (server, server_device) = Namespace::with_device(&[SERVER])?;
        let (clients, clients_device) = Namespace::with_device(&CLIENTS)?;
        let mut seeds = fastrand::Rng::with_seed(seed);
        let down = Link::new(profile, profile.down, seeds.fork());
        let up = Link::new(profile, profile.up, seeds.fork());
        let relay = Relay::start((server_device, down), (clients_device, up))
            .context("failed to start the relay of the network")?;
        Ok(Self { profile: *profile, relay, server, clients })
    }

    /// Returns the namespace of the server.
    pub(crate) fn server(&self) -> &Namespace {
        &self.server
    }

    /// Returns the namespace of the clients.
    pub(crate) fn clients(&self) -> &Namespace {
        &self.clients
    }

    /// Returns what the relay has counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.relay.counts()
    }

    /// Loses every packet from now on, in both directions, as if the line was cut.
    pub(crate) fn cut(&self) {
        self.relay.cut();
    }

    /// Checks that nothing but the profile has changed or dropped packets.
    ///
    /// # Errors
    ///
    /// Fails if the relay has ended, or if the kernel dropped packets before the relay could read them. What was
    /// measured over this network is not valid in both cases.
    pub(crate) fn ensure_valid(&self) -> anyhow::Result<()> {
        let overrun = self.server.dropped()? + self.clients.dropped()?;
        ensure!(self.relay.is_running(), "the relay of the network has ended");
        ensure!(overrun == 0, "the relay of the network was too slow for {overrun} packets");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
