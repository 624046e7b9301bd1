//! A network measured by itself, before anything else is measured over it.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::link::{loss_probabilities, time_to_send};
use super::{CLIENTS, Network, Profile, SERVER};
use crate::network_counts::{Checked, Counts, LinkCounts};

/// Enough to estimate a loss of a few percent.
const PROBES: u64 = 2_000;
/// The time between two probes. They use less than half of the slowest link of the named profiles.
const INTERVAL: Duration = Duration::from_millis(1);
/// The bytes of a probe in UDP, and as an IP packet.
const PAYLOAD: usize = 64;
const PACKET: usize = PAYLOAD + 28;
/// The time after the last probe in which all replies arrive, besides the time that the profile needs.
const PATIENCE: Duration = Duration::from_secs(1);
/// The median of the round trips may exceed the profile's by this, since threads have to be woken up.
const TOLERANCE: Duration = Duration::from_millis(2);
/// A measured loss may differ from the profile's by this many standard deviations.
const DEVIATIONS: f64 = 5.0;

impl Network {
    /// Measures delay and loss by 2,000 UDP probes in two seconds, and compares them with the profile. Nothing else may
    /// use the network at the same time. The calling thread is blocked for up to three seconds and one round trip.
    ///
    /// # Errors
    ///
    /// Fails if sockets fail, or if the network is not what its profile promises:
    ///
    /// - The least round trip is shorter than twice the delay.
    /// - The median exceeds twice the delay with the full jitter by more than 2 ms.
    /// - What is lost each way is not exactly what the relay counts.
    /// - It differs from the loss of the profile by more than five standard deviations.
    pub(crate) fn check(&self) -> anyhow::Result<Checked> {
        let before = self.counts();
        let mut probes = Probes::open(self).context("failed to open the sockets of probes")?;
        let end = Instant::now() + PROBES as u32 * INTERVAL + slowest(&self.profile) + PATIENCE;
        while probes.sent.len() < PROBES as usize || !probes.all_arrived(self, &before) {
            let now = Instant::now();
            ensure!(now < end, "probes of the network are missing: {:?}", self.counts() - before);
            probes.send_due(now)?;
            probes.wait(now)?;
            probes.receive()?;
        }
        probes.compared_with(&self.profile)
    }
}

/// A socket on each side, and what was sent and received.
struct Probes {
    server: UdpSocket,
    clients: UdpSocket,
    /// The time of each probe.
    sent: Vec<Instant>,
    /// The number of probes that arrived at the clients.
    echoed: u64,
    round_trips: Vec<Duration>,
}

impl Probes {
    fn open(network: &Network) -> io::Result<Self> {
        let server = network.server().inside(|| UdpSocket::bind((SERVER, 0)))??;
        let clients = network.clients().inside(|| UdpSocket::bind((CLIENTS[0], 0)))??;
        server.connect(clients.local_addr()?)?;
        clients.connect(server.local_addr()?)?;
        server.set_nonblocking(true)?;
        clients.set_nonblocking(true)?;
        Ok(Self { server, clients, sent: Vec::new(), echoed: 0, round_trips: Vec::new() })
    }

    /// Returns the time until the next probe, or `None` if all were sent. It does not depend on how late the previous
    /// ones were, so that a busy machine does not prolong the check.
    fn next(&self, now: Instant) -> Option<Duration> {
        let number = self.sent.len() as u32;
        let due = |first: &Instant| *first + number * INTERVAL;
        let wait = || self.sent.first().map_or(Duration::ZERO, |at| due(at).duration_since(now));
        (u64::from(number) < PROBES).then(wait)
    }

    fn send_due(&mut self, now: Instant) -> io::Result<()> {
        if self.next(now).is_some_and(|wait| wait.is_zero()) {
            let mut probe = [0; PAYLOAD];
            probe[..8].copy_from_slice(&(self.sent.len() as u64).to_ne_bytes());
            self.server.send(&probe)?;
            self.sent.push(now);
        }
        Ok(())
    }

    /// Waits for a packet or for the time of the next probe. Without both, the counters of the relay are read again
    /// after a while.
    fn wait(&self, now: Instant) -> io::Result<()> {
        let wait = Timespec::try_from(self.next(now).unwrap_or(10 * INTERVAL));
        let readable = |socket| PollFd::from_borrowed_fd(socket, PollFlags::IN);
        let mut sockets = [self.server.as_fd(), self.clients.as_fd()].map(readable);
        match poll(&mut sockets, wait.as_ref().ok()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends back what arrived at the clients, and takes the time of what came back.
    fn receive(&mut self) -> io::Result<()> {
        let mut probe = [0; PAYLOAD];
        while receive(&self.clients, &mut probe)? {
            self.clients.send(&probe)?;
            self.echoed += 1;
        }
        while receive(&self.server, &mut probe)? {
            let number = probe.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
            let sent = number.and_then(|number| self.sent.get(usize::try_from(number).ok()?));
            self.round_trips.extend(sent.map(Instant::elapsed));
        }
        Ok(())
    }

    /// Returns `true` if all packets arrived, except those which the relay counted as lost or dropped.
    fn all_arrived(&self, network: &Network, before: &Counts) -> bool {
        let now = network.counts() - *before;
        let through = |link: LinkCounts| link.packets - link.lost - link.dropped;
        (now.down.packets, through(now.down)) == (self.sent.len() as u64, self.echoed)
            && (now.up.packets, through(now.up)) == (self.echoed, self.round_trips.len() as u64)
    }

    fn compared_with(mut self, profile: &Profile) -> anyhow::Result<Checked> {
        self.round_trips.sort_unstable();
        let least = *self.round_trips.first().context("no probe of the network came back")?;
        let quantile = |q| self.round_trips[(q * (self.round_trips.len() - 1) as f64) as usize];
        let sent = self.sent.len() as u64;
        let loss_down = 1.0 - self.echoed as f64 / sent as f64;
        let loss_up = 1.0 - self.round_trips.len() as f64 / self.echoed as f64;

        let expected = 2 * profile.delay;
        ensure!(least >= expected, "a round trip took {least:?}, less than {expected:?}");
        let (median, most) = (quantile(0.5), slowest(profile) + TOLERANCE);
        ensure!(median <= most, "the median round trip took {median:?}, more than {most:?}");
        for (way, loss, of) in [("down", loss_down, sent), ("up", loss_up, self.echoed)] {
            let (expected, most) = (profile.loss, DEVIATIONS * deviation(profile, of));
            let fits = (loss - expected).abs() <= most;
            ensure!(fits, "the loss {way} is {loss:.4}, and not {expected} ± {most:.4}");
        }

        let micros = |q| quantile(q).as_secs_f64() * 1e6;
        let (rtt_p50, rtt_p95, rtt_p99) = (micros(0.5), micros(0.95), micros(0.99));
        Ok(Checked { sent, rtt_p50, rtt_p95, rtt_p99, loss_down, loss_up })
    }
}

/// Returns `false` if nothing can be received now.
fn receive(socket: &UdpSocket, probe: &mut [u8; PAYLOAD]) -> io::Result<bool> {
    match socket.recv(probe) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// The longest round trip of a probe that waits for no other packet.
fn slowest(profile: &Profile) -> Duration {
    let rates = [profile.down, profile.up].into_iter().flatten();
    let sending: Duration = rates.map(|rate| time_to_send(PACKET, rate)).sum();
    2 * (profile.delay + profile.jitter) + sending
}

/// Returns the standard deviation of the loss among `n` packets, for a large `n`. Losses in bursts deviate more than
/// independent ones, by the correlation of a packet with the next one.
fn deviation(profile: &Profile, n: u64) -> f64 {
    let (begins, continues) = loss_probabilities(profile);
    let correlation = continues - begins;
    let independent = profile.loss * (1.0 - profile.loss) / n as f64;
    (independent * (1.0 + correlation) / (1.0 - correlation)).sqrt()
}
