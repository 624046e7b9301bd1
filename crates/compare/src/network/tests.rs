//! Simulated networks, with real namespaces and devices. Where these are not available, each test prints why and passes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::{CLIENTS, Network, Profile, SERVER, Unavailable};
use crate::network_counts::LinkCounts;

/// More than any of the waits of these tests needs.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs a test alone, because all of them measure times or look at the process as a whole.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|failed| failed.into_inner())
}

/// Starts a network. Returns `None` if that is not possible here.
fn network(profile: &Profile, seed: u64) -> Option<Network> {
    match Network::start(profile, seed) {
        Err(error) if error.is::<Unavailable>() => {
            eprintln!("skipped: {error:#}");
            None
        }
        started => Some(started.unwrap()),
    }
}

/// Returns connected sockets of the server and of the client with this address.
fn sockets(network: &Network, client: Ipv4Addr) -> (UdpSocket, UdpSocket) {
    let server = network.server().inside(|| UdpSocket::bind((SERVER, 0))).unwrap().unwrap();
    let client = network.clients().inside(|| UdpSocket::bind((client, 0))).unwrap().unwrap();
    server.connect(client.local_addr().unwrap()).unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    }
    (server, client)
}

/// Sends numbered packets one after the other, and returns the numbers of those that arrived. `counts` returns what the
/// relay counted for this direction.
fn send(
    (from, to): (&UdpSocket, &UdpSocket),
    packets: u64,
    counts: impl Fn() -> LinkCounts,
) -> Vec<u64> {
    let (mut arrived, limit) = (Vec::new(), Instant::now() + LIMIT);
    for number in 0..packets {
        from.send(&number.to_ne_bytes()).unwrap();
        loop {
            let LinkCounts { packets, lost, dropped, .. } = counts();
            if packets == number + 1 && arrived.len() as u64 == packets - lost - dropped {
                break;
            }
            assert!(Instant::now() < limit, "packet {number}: {:?}", counts());
            let mut packet = [0; 8];
            if to.recv(&mut packet).is_ok() {
                arrived.push(u64::from_ne_bytes(packet));
            }
        }
    }
    arrived
}

#[test]
fn a_tcp_transfer_arrives_and_its_bytes_are_counted() {
    let _alone = alone();
    let Some(network) = network(&Profile::NONE, 1) else { return };
    let listener = network.server().inside(|| TcpListener::bind((SERVER, 0))).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    let sent: Vec<u8> = (0..4_000_000_u32).map(|n| n as u8).collect();

    let connect = || TcpStream::connect_timeout(&address, LIMIT);
    let mut client = network.clients().inside(connect).unwrap().unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let (mut server, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), CLIENTS[0]);
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            server.write_all(&sent).unwrap();
            drop(server);
        });
        client.read_to_end(&mut received).unwrap();
    });
    assert!(received == sent);

    // A segment has 1,448 bytes of the stream and 52 bytes of headers, if it has the size of a real network's.
    network.ensure_valid().unwrap();
    let counts = network.counts();
    let segments = 4_000_000 / 1_448;
    let expected = 4_000_000 + segments * 52;
    assert!((segments..segments * 11 / 10).contains(&counts.down.packets), "{counts:?}");
    assert!((expected..expected * 11 / 10).contains(&counts.down.bytes), "{counts:?}");
    assert!(counts.up.packets > 3 && counts.up.bytes >= counts.up.packets * 40, "{counts:?}");
}

#[test]
fn packets_take_the_delay_of_the_profile_in_each_direction() {
    let _alone = alone();
    let Some(network) = network(&Profile::SATELLITE, 1) else { return };
    let (server, client) = sockets(&network, CLIENTS[0]);
    for (from, to) in [(&server, &client), (&client, &server)] {
        to.set_read_timeout(Some(LIMIT)).unwrap();
        let sent = Instant::now();
        from.send(b"x").unwrap();
        assert_eq!(to.recv(&mut [0]).unwrap(), 1);
        let took = sent.elapsed();
        assert!(Profile::SATELLITE.delay <= took, "{took:?}");
    }
}

#[test]
#[ignore = "measures times, which other tests disturb"]
fn networks_pass_their_own_check() {
    let _alone = alone();
    for profile in [&Profile::MOBILE_4G, &Profile::WIFI] {
        let Some(network) = network(profile, 5) else { return };
        let checked = network.check().unwrap();
        assert!(checked.rtt_p50 >= 2e6 * profile.delay.as_secs_f64(), "{checked:?}");
        assert_eq!(checked.loss_down > 0.0, profile.loss > 0.0, "{checked:?}");
        assert_eq!(checked.loss_up > 0.0, profile.loss > 0.0, "{checked:?}");
    }
}

#[test]
fn with_the_same_seed_the_same_packets_are_lost() {
    let _alone = alone();
    let lossy = Profile { loss: 0.1, burst: 3.0, ..Profile::NONE };
    let arrived = |seed, down| {
        let network = network(&lossy, seed)?;
        let (server, client) = sockets(&network, CLIENTS[0]);
        Some(match down {
            true => send((&server, &client), 500, || network.counts().down),
            false => send((&client, &server), 500, || network.counts().up),
        })
    };
    let Some(first) = arrived(1, true) else { return };
    assert!(first.len() < 500);
    assert_eq!(arrived(1, true).unwrap(), first);
    assert_ne!(arrived(2, true).unwrap(), first);
    // Directions do not lose the same packets.
    assert_ne!(arrived(1, false).unwrap(), first);
}

#[test]
fn exactly_what_is_sent_is_counted() {
    let _alone = alone();
    let Some(network) = network(&Profile::NONE, 1) else { return };
    let (server, client) = sockets(&network, CLIENTS[15]);
    let all: Vec<u64> = (0..100).collect();
    assert_eq!(send((&server, &client), 100, || network.counts().down), all);
    assert_eq!(send((&client, &server), 50, || network.counts().up), all[..50]);
    let counted = |packets| {
        // 8 bytes of payload, 8 of UDP and 20 of IP.
        LinkCounts { packets, bytes: packets * 36, ..LinkCounts::default() }
    };
    network.ensure_valid().unwrap();
    let counts = network.counts();
    assert_eq!((counts.down, counts.up), (counted(100), counted(50)));
}

#[test]
fn a_full_queue_drops_packets() {
    let _alone = alone();
    let slow = Profile { down: Some(8_000_000), ..Profile::NONE };
    let Some(network) = network(&Profile { queue: Duration::from_millis(3), ..slow }, 1) else {
        return;
    };
    let (server, client) = sockets(&network, CLIENTS[0]);
    // Each packet occupies the link for 1 ms, and the fifth one would wait for 4 ms.
    for _ in 0..20 {
        server.send(&[0; 1_000 - 28]).unwrap();
    }
    let (mut arrived, limit) = (0, Instant::now() + LIMIT);
    while network.counts().down.packets < 20 || arrived < 20 - network.counts().down.dropped {
        assert!(Instant::now() < limit, "{:?}", network.counts());
        arrived += u64::from(client.recv(&mut [0; 1_500]).is_ok());
    }
    assert!((4..20).contains(&arrived), "{arrived}");
}

#[test]
fn a_process_started_inside_has_this_network_only() {
    let _alone = alone();
    let Some(network) = network(&Profile::NONE, 1) else { return };
    let own = || fs::read_link("/proc/thread-self/ns/net").unwrap();
    let before = own();
    let list = || Command::new("cat").arg("/proc/self/net/dev").output();
    let listed = network.clients().inside(list).unwrap().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let mut devices: Vec<&str> =
        text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    // A kernel can have devices of tunnels in each namespace, which are down.
    devices.retain(|name| ["lo", "tidings"].contains(name) || name.starts_with("eth"));
    devices.sort_unstable();
    assert_eq!(devices, ["lo", "tidings"]);
    assert_eq!(own(), before);

    let inside = || network.server().inside(|| panic!("expected by this test"));
    assert!(catch_unwind(AssertUnwindSafe(inside)).is_err());
    assert_eq!(own(), before);
}

#[test]
fn the_loopback_device_of_a_namespace_is_its_own() {
    let _alone = alone();
    let Some(network) = network(&Profile::NONE, 1) else { return };
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = network.server().inside(bind).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, LIMIT);
    assert!(network.server().inside(connect).unwrap().is_ok());
    assert!(network.clients().inside(connect).unwrap().is_err());
}

#[test]
fn dropping_a_network_frees_everything() {
    let _alone = alone();
    let files = || {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let of_a_network =
            |target: &str| ["net:[", "/dev/net/tun"].iter().any(|part| target.contains(part));
        targets.filter(|target| of_a_network(&target.to_string_lossy())).count()
    };
    let relays = || {
        let threads = fs::read_dir("/proc/self/task").unwrap();
        let names = threads.filter_map(|it| fs::read_to_string(it.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "network-relay").count()
    };
    let Some(network) = network(&Profile::SATELLITE, 1) else { return };
    // A packet on its way does not keep it.
    let (server, client) = sockets(&network, CLIENTS[0]);
    server.send(b"x").unwrap();
    drop((server, client));
    let limit = Instant::now() + LIMIT;
    while network.counts().down.packets == 0 {
        assert!(Instant::now() < limit);
    }
    assert_eq!((files(), relays()), (4, 1));
    let dropped = Instant::now();
    drop(network);
    assert!(dropped.elapsed() < Profile::SATELLITE.delay, "{:?}", dropped.elapsed());
    assert_eq!(files(), 0);
    // The kernel lists a thread for a moment after it ended.
    while relays() > 0 {
        assert!(Instant::now() < limit);
    }
}

#[test]
fn nothing_arrives_after_a_cut() {
    let _alone = alone();
    let Some(network) = network(&Profile::NONE, 1) else { return };
    let (server, client) = sockets(&network, CLIENTS[0]);
    client.set_read_timeout(Some(LIMIT)).unwrap();
    server.send(b"x").unwrap();
    assert_eq!(client.recv(&mut [0]).unwrap(), 1);
    network.cut();
    server.send(b"y").unwrap();
    client.send(b"z").unwrap();
    let limit = Instant::now() + LIMIT;
    let lost = || (network.counts().down.lost, network.counts().up.lost);
    while lost() != (1, 1) && Instant::now() < limit {
        thread::yield_now();
    }
    let counts = network.counts();
    assert_eq!((counts.down.packets, counts.down.lost), (2, 1));
    assert_eq!((counts.up.packets, counts.up.lost), (1, 1));
}
