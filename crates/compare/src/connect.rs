//! Getting a crowd of clients connected, and knowing when its server is at rest again.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tidings_core::Position;
use tidings_transport::client::{Arrival, Arrivals, ConnectOptions, Meter, Target, shown};
use tokio::task::JoinSet;
use url::{Host, Url};

use crate::RunError;
use crate::contender::Contender;
use crate::engine::in_full;
use crate::workload::Workload;

/// Handshakes at the same time: enough to keep the hub busy, few enough for any listen backlog.
const AT_ONCE: usize = 64;
/// How long a crowd may take.
const CROWD_PATIENCE: Duration = Duration::from_secs(60);
/// How long a first notification may take.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// Notifications of the rehearsal.
const REHEARSAL: usize = 8;

/// A server is at rest when it used less than this in one [`LOOK`].
const REST_NS: u64 = 200_000;
/// How often to look whether it is.
const LOOK: Duration = Duration::from_millis(20);
/// How often to look at most.
const LOOKS: usize = 100;

/// Clients to be connected.
pub(crate) struct Crowd<'a> {
    pub(crate) contender: &'a Contender,
    /// The topic on each node; clients take them in turn.
    pub(crate) urls: &'a [Url],
    pub(crate) options: &'a Arc<ConnectOptions>,
    pub(crate) meter: &'a Arc<Meter>,
    pub(crate) clients: usize,
}

/// The topic of one cell on each of these nodes.
pub(crate) fn topics(hubs: &[Url], run: u32) -> Result<Vec<Url>, RunError> {
    hubs.iter().map(|hub| topic(hub, run)).collect()
}

fn topic(hub: &Url, run: u32) -> Result<Url, RunError> {
    let bad = || RunError::BadUrl { url: shown(hub) };
    let mut url = hub.clone();
    let topic = format!("compare.{run:08x}");
    url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(["topics", &topic]);
    Ok(url)
}

impl Crowd<'_> {
    /// Connects everybody, and hands over each connection as soon as it stands.
    pub(crate) async fn connect(&self, mut joined: impl FnMut(Arrivals)) -> Result<(), RunError> {
        let clients = self.clients;
        let transport = self.contender.title;
        let all = async {
            // A task each: on one for all of them, the sixty-fourth handshake would wait for its turn in
            // the budget that the runtime gives to a task.
            let (mut connecting, mut next) = (JoinSet::new(), 0);
            loop {
                while next < clients && connecting.len() < AT_ONCE {
                    let (client, at) = (self.contender.client.connect(self.target(next)), next + 1);
                    connecting.spawn(async move { (at, client.await) });
                    next += 1;
                }
                let Some(connected) = connecting.join_next().await else { return Ok(()) };
                let (client, arrivals) = match connected {
                    Ok(connected) => connected,
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                };
                joined(arrivals.map_err(|source| RunError::Connect {
                    transport,
                    client,
                    clients,
                    source,
                })?);
            }
        };
        let seconds = CROWD_PATIENCE.as_secs();
        let late = RunError::ConnectTimeout { transport, clients, seconds };
        tokio::time::timeout(CROWD_PATIENCE, all).await.unwrap_or(Err(late))
    }

    fn target(&self, at: usize) -> Target {
        let url = &self.urls[at % self.urls.len()];
        Target {
            url: url.clone(),
            position: Position::Live,
            meter: self.meter.clone(),
            local: local_address(url, at),
            options: self.options.clone(),
        }
    }
}

/// One address has about 28,000 ports for all that connect from it; loopback has addresses enough.
fn local_address(url: &Url, client: usize) -> Option<IpAddr> {
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        // So are addresses parsed that are not of the web.
        Host::Domain(name) => name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback()),
        Host::Ipv6(_) => false,
    };
    let last = 2 + (client % 8) as u8;
    (loopback && cfg!(target_os = "linux")).then(|| Ipv4Addr::new(127, 0, 0, last).into())
}

/// As many handshakes at once as there will ever be, and a few notifications, before anything is measured.
/// What a server does for the first time (pages of code, arenas of the allocator) is then not charged to
/// the first thousand; and where nothing arrives at all, that is told at once and not after ten seconds of
/// waiting.
pub(crate) async fn rehearse(
    contender: &Contender,
    urls: &[Url],
    options: &Arc<ConnectOptions>,
    workload: &mut Workload,
) -> Result<(), RunError> {
    let transport = contender.title;
    let mut joined = Vec::with_capacity(AT_ONCE);
    let meter = Arc::new(Meter::default());
    let crowd = Crowd { contender, urls, options, meter: &meter, clients: AT_ONCE };
    crowd.connect(|arrivals| joined.push(arrivals)).await?;
    let receiving = async {
        for arrivals in &mut joined {
            read_some(arrivals).await?;
        }
        Ok(())
    };
    let publishing = async {
        let sent = workload.rehearse(REHEARSAL).await;
        sent.map_err(|source| RunError::Publish { transport, source })
    };
    let received = async {
        let problem = match tokio::time::timeout(FIRST_PATIENCE, receiving).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(problem)) => problem,
            Err(_) => format!("nothing within {} s", FIRST_PATIENCE.as_secs()),
        };
        Err(RunError::Rehearsal { transport, problem })
    };
    futures::try_join!(publishing, received).map(|_| ())
}

async fn read_some(arrivals: &mut Arrivals) -> Result<(), String> {
    let mut missing = REHEARSAL;
    while missing > 0 {
        match arrivals.next().await {
            Some(Ok(Arrival::Notification(_))) => missing -= 1,
            Some(Ok(Arrival::Heartbeat(_))) => {}
            Some(Ok(Arrival::Gap(gap))) => return Err(format!("a gap: {gap:?}")),
            Some(Ok(Arrival::Goodbye(goodbye))) => return Err(goodbye.reason),
            Some(Err(error)) => return Err(in_full(&error)),
            None => return Err("the connection ended".to_owned()),
        }
    }
    Ok(())
}

/// Waits until a server does nothing any more: `cpu_ns` is its CPU time so far. No client can see when it
/// has dealt with its last request, such as a poll that is now held; its CPU time can.
pub(crate) async fn at_rest(cpu_ns: impl Fn() -> Option<u64>) {
    let mut before = cpu_ns();
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = cpu_ns();
        let spent = now.zip(before).map(|(now, before)| now.saturating_sub(before));
        if spent.is_none_or(|spent| spent < REST_NS) {
            break;
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_hangs_below_the_hubs_address() {
        for (hub, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/topics/compare.0000002a"),
            ("http://example.org/news/", "http://example.org/news/topics/compare.0000002a"),
        ] {
            assert_eq!(topic(&hub.parse().unwrap(), 42).unwrap().as_str(), expected);
        }
        assert!(topic(&"mailto:hub@example.org".parse().unwrap(), 42).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn clients_spread_over_loopback_and_nowhere_else() {
        let here = "http://127.0.0.1:1/".parse().unwrap();
        assert_eq!(local_address(&here, 0), Some("127.0.0.2".parse().unwrap()));
        assert_eq!(local_address(&here, 15), Some("127.0.0.9".parse().unwrap()));
        assert_eq!(local_address(&"http://192.0.2.1/".parse().unwrap(), 0), None);
        assert_eq!(local_address(&"http://[::1]/".parse().unwrap(), 0), None);
    }
}
