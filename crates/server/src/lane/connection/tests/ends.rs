//! What the timer, the peer or a goodbye ends.

use super::*;

#[test]
fn the_effect_of_the_timer_depends_on_the_state() {
    let mut idle = Lane::new();
    assert!(matches!(idle.timer(), Next::Remove));

    let mut stalled = Lane::new();
    stalled.room = 3;
    stalled.read(get("/1").as_bytes());
    assert!(matches!(stalled.timer(), Next::CutOff));
    assert!(!stalled.connection.was_sent_goodbye());

    let mut poll = Lane::with_client(POLL, None);
    assert_eq!(poll.timeout, Some(Duration::from_secs(25)));
    assert!(matches!(poll.timer(), Next::Idle));
    assert_eq!(poll.written(), "nothing until 0");
    assert_eq!(poll.seats(), 0, "it has given its seat back");

    let mut stream = Lane::with_client(Shape::Stream, None);
    stream.comes_to(4);
    for _ in 0..3 {
        assert!(matches!(stream.timer(), Next::Idle));
        assert_eq!(stream.written(), "heartbeat at 4");
    }

    let mut silent = Lane::with_client(Shape::Upgrade, None);
    silent.timer();
    assert_eq!(silent.written(), "heartbeat at 0");
    silent.read(&frame(PING, b"!"));
    silent.wire.clear();
    silent.timer();
    assert_eq!(silent.written(), "heartbeat at 0", "it has answered the first");
    assert!(matches!(silent.timer(), Next::Close));
    assert_eq!(silent.written(), "goodbye silent");
    assert!(silent.connection.was_sent_goodbye());
}

#[test]
fn a_peer_that_closes_its_side_is_still_served() {
    let mut stream = Lane::with_client(Shape::Stream, None);
    assert!(matches!(stream.connection.on_reset(), Next::Idle), "reading shows that");
    let next = stream.connection.on_end(PeerEnd::Stream, &stream.status);
    assert!(matches!(stream.apply(next), Next::Idle));
    assert_eq!(stream.written(), "heartbeat at 0");
    assert!(matches!(stream.connection.on_end(PeerEnd::Stream, &stream.status), Next::Idle));
    assert!(matches!(stream.connection.on_reset(), Next::Remove));

    let mut notified = Lane::with_client(Shape::Upgrade, None);
    for (end, sent) in [
        (PeerEnd::Notified, "heartbeat at 0"),
        (PeerEnd::Notified, ""),
        (PeerEnd::Stream, "heartbeat at 0"),
        (PeerEnd::Notified, ""),
        (PeerEnd::Stream, ""),
    ] {
        let next = notified.connection.on_end(end, &notified.status);
        assert!(matches!(notified.apply(next), Next::Idle));
        assert_eq!(notified.written(), sent, "{end:?}");
    }

    let mut poll = Lane::with_client(POLL, None);
    assert!(matches!(poll.connection.on_end(PeerEnd::Stream, &poll.status), Next::OpenAnswer));
    let next = poll.connection.on_encoded(Bytes::from_static(b"head "), &poll.status);
    assert!(matches!(poll.apply(next), Next::Idle));
    let next = poll.connection.on_end(PeerEnd::Stream, &poll.status);
    assert!(matches!(next, Next::Idle), "its head was sent");
    assert!(matches!(poll.timer(), Next::Close), "it has nothing left to send");
    assert_eq!(poll.written(), "head nothing until 0");
    assert!(matches!(poll.connection.advance(&poll.status), Next::Remove));

    let mut notified = Lane::with_client(POLL, None);
    let next = notified.connection.on_end(PeerEnd::Notified, &notified.status);
    assert!(matches!(next, Next::OpenAnswer));
    let next = notified.connection.on_end(PeerEnd::Stream, &notified.status);
    assert!(matches!(next, Next::Idle), "its head was sent");

    let mut requests = Lane::new();
    requests.read(get(PENDING).as_bytes());
    assert!(matches!(requests.connection.on_end(PeerEnd::Stream, &requests.status), Next::Idle));
    let response = Response::new(Bytes::from_static(b"stored"));
    let next = requests.connection.on_response(&response, &requests.status);
    assert!(matches!(requests.apply(next), Next::Close));
    assert_eq!(requests.bodies(), ["stored"]);
    assert!(matches!(
        Lane::new().connection.on_end(PeerEnd::Stream, &requests.status),
        Next::Remove
    ));
}

#[test]
fn a_goodbye_comes_after_unsent_bytes_and_ends_the_connection() {
    let reason = Reason::GoingAway;
    let goodbye = |lane: &mut Lane| {
        let next = lane.connection.on_goodbye(reason, &lane.status);
        lane.apply(next)
    };
    assert!(matches!(goodbye(&mut Lane::new()), Next::Remove));

    let mut stream = Lane::with_client(Shape::Stream, None);
    stream.room = 1;
    let next = stream.connection.on_sent(&Bytes::from_static(b"news "), Ok(0), &stream.status);
    stream.apply(next);
    assert!(matches!(goodbye(&mut stream), Next::Idle));
    assert!(matches!(stream.takes(usize::MAX), Next::Close));
    assert_eq!(stream.written(), "news goodbye going_away");

    let mut poll = Lane::with_client(POLL, None);
    poll.status.is_closing = true;
    assert!(matches!(goodbye(&mut poll), Next::Close));

    let mut pending = Lane::new();
    pending.read(get(PENDING).as_bytes());
    assert!(matches!(goodbye(&mut pending), Next::Idle));
    let response = Response::new(Bytes::from_static(b"stored"));
    let next = pending.connection.on_response(&response, &pending.status);
    assert!(matches!(pending.apply(next), Next::Close));
}
