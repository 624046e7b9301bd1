//! A slow reader of a compressed stream decodes everything that it is sent, and is sent compressed notifications again
//! once it has caught up.

use std::ops::Range;

use socket2::SockRef;
use tidings_core::{HubConfig, Retention};
use tidings_transport::compression::CompressionConfig;
use tokio::net::TcpListener;

use crate::support::{
    Accepts, Case, FILLING, MOVERS, Mover, PAYLOAD, Raw, Reader, Running, among, cases_of,
};

/// The number and the size of the notifications that are published while the slow reader reads nothing. Each is
/// compressed, and becomes shorter by less than a fifth. Together they are larger than the sockets, which hold about
/// 35 KiB of them, and the 128 KiB of chunks that a compressed stream keeps.
const FLOOD: usize = 30;
const SIZE: usize = 8 << 10;

/// The send buffer of the server, in bytes.
const SEND_BUFFER: usize = 16 << 10;

/// Random text that is not a part of the last few.
fn random(number: usize) -> String {
    format!("{number} {}", &FILLING[number * 9001 % (PAYLOAD - SIZE)..][..SIZE])
}

fn order(number: usize) -> String {
    format!("{{\"order\":{number},\"customer\":\"c-1234\",\"status\":\"shipped\",\"total\":99}}")
}

/// A server with small send buffers that retains `kept` notifications.
async fn hub(case: &Case, kept: usize) -> Running {
    let retention = Retention::default().entries(kept);
    let mut setup = case.config(HubConfig::default().retention(retention)).await;
    setup.compression = Some(CompressionConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Accepted sockets have the buffer size of their listener.
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER).unwrap();
    Running::start_on(listener, setup)
}

/// Publishes each of these payloads once the readers have received the one before.
async fn publish(hub: &Running, readers: &mut [&mut Reader], payloads: &[String]) {
    for payload in payloads {
        hub.publish("t", &**payload).await;
        for reader in &mut *readers {
            assert_eq!(reader.payload().await.as_ref(), Some(payload));
        }
    }
}

/// Publishes orders that both readers receive. Returns which of them the slow reader was sent plain.
async fn publish_to_both(
    hub: &Running,
    quick: &mut Reader,
    slow: &mut Reader,
    numbers: Range<usize>,
) -> Vec<bool> {
    let orders: Vec<String> = numbers.map(order).collect();
    for reader in [&mut *quick, &mut *slow] {
        reader.wire.clear();
    }
    publish(hub, &mut [quick, slow], &orders).await;
    assert!(!orders[2..].iter().any(|order| quick.has_plain(order)));
    orders.iter().map(|order| slow.has_plain(order)).collect()
}

/// Two readers are in sync. One of them reads nothing for a while, so it falls out of sync, reads what is kept for it,
/// and is in sync again.
async fn play(case: &Case, kept: usize) {
    let mut hub = hub(case, kept).await;
    let request = case.request_with("t", "", Accepts::Compression.lines());
    let mut quick = Reader::over(Raw::connect(hub.direct).await, request.clone(), true).await;
    let mut slow = Reader::over(Raw::connect_narrow(hub.direct).await, request, true).await;
    let plain = publish_to_both(&hub, &mut quick, &mut slow, 0..10).await;
    assert!(!plain[2..].contains(&true), "the readers are not in sync: {plain:?}");

    let flood: Vec<String> = (0..FLOOD).map(random).collect();
    publish(&hub, &mut [&mut quick], &flood).await;
    let read = slow.up_to(flood.last().unwrap()).await;
    if kept > FLOOD {
        assert!(read == flood, "{} of {FLOOD} payloads", read.len());
    } else {
        // The beginning was in the sockets.
        let begin = read.len() - kept;
        assert!(read == [&flood[..begin], &flood[FLOOD - kept..]].concat(), "{begin}");
        assert!(begin < FLOOD - kept, "the reader was not slow enough for this test");
        if !case.is_bare() {
            assert_eq!(slow.missed as usize, FLOOD - read.len());
        }
    }
    // Stored blocks of gzip may end within a notification.
    let was_plain = flood[FLOOD - 4..].iter().any(|payload| slow.has_plain(payload));
    assert!(was_plain, "the reader was in sync for the whole time");

    let plain = publish_to_both(&hub, &mut quick, &mut slow, 10..30).await;
    let waited = plain.iter().take_while(|is_plain| **is_plain).count();
    assert!(waited <= 2 && !plain[waited..].contains(&true), "plain: {plain:?}");

    // A gzip body ends with the checksum of everything before it.
    hub.ask_to_stop();
    for mut reader in [quick, slow] {
        assert_eq!(reader.payload().await, None);
    }
    hub.ended().await;
}

/// Plays it for every transport whose connections stay open, by the lanes and by the general path.
fn play_all(kept: usize) {
    let movers = MOVERS.iter().filter(|it| it.broker.is_none() && **it != Mover::PLAIN_LANE);
    let cases = movers.copied().flat_map(cases_of).filter(|case| !case.polls());
    among(&cases.collect::<Vec<_>>(), &async |case: &Case| play(case, kept).await);
}

#[test]
fn a_slow_reader_decodes_each_notification_and_comes_into_sync_again() {
    play_all(1000);
}

#[test]
fn a_slow_reader_decodes_what_comes_after_a_gap_and_comes_into_sync_again() {
    play_all(8);
}
