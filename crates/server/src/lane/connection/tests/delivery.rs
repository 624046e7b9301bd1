//! What a client is sent: by passes, and while it catches up.

use super::*;

#[test]
fn a_pass_serves_clients_that_are_with_the_lane_and_have_room() {
    let before = Cursor::at(Lane::new().id(0));
    let mut lane = Lane::with_client(Shape::Stream, None);
    assert_eq!(lane.connection.join_pass(&[], before), Part::Takes);
    let bytes = Bytes::from_static(b"news");
    let next = lane.connection.on_sent(&bytes, Ok(4), &lane.status);
    assert!(matches!(next, Next::Idle));

    lane.room = 1;
    let next = lane.connection.on_sent(&bytes, Ok(1), &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.connection.unsent(), b"ws");
    assert_eq!(lane.connection.join_pass(&[], before), Part::Nothing);
    assert_eq!(lane.standing(), Standing::Own(before));
    assert!(matches!(lane.takes(2), Next::CatchUp), "bytes must not overtake");

    let mut author = Lane::with_client(Shape::Upgrade, None);
    let seat = author.connection.client().unwrap().seat.id();
    assert_eq!(author.connection.join_pass(&[seat], before), Part::CatchesUp);
    let mut other = Lane::with_client(Shape::Upgrade, None);
    assert_eq!(other.connection.join_pass(&[SeatId::default()], before), Part::Takes);
    let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
    assert!(matches!(other.connection.on_sent(&bytes, Err(error), &other.status), Next::CutOff));
}

#[test]
fn a_poll_is_answered_once_frees_its_seat_and_its_connection_is_read_again() {
    let mut lane = Lane::with_client(POLL, None);
    let before = Cursor::at(lane.id(0));
    assert!(matches!(lane.read(get("/next").as_bytes()), Next::Idle), "it is left in the socket");
    assert_eq!(lane.connection.join_pass(&[], before), Part::Takes);
    assert_eq!(lane.connection.join_pass(&[], before), Part::Nothing);
    let bytes = Bytes::from(vec![b'x'; 4096]);
    lane.room = 0;
    let next = lane.connection.on_sent(&bytes, Ok(1024), &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.seats(), 1, "a long answer that is not read keeps its seat");
    assert!(matches!(lane.takes(2048), Next::Idle));
    assert!(matches!(lane.takes(usize::MAX), Next::Yield));
    assert_eq!(lane.seats(), 0);
    lane.wire.clear();
    lane.read(get("/next").as_bytes());
    assert_eq!(lane.bodies(), ["/next"]);
}

#[test]
fn a_client_that_catches_up_is_with_the_lane_once_it_has_reached_its_position() {
    let mut lane = Lane::new();
    lane.comes_to(9);
    assert!(matches!(lane.subscribe(Shape::Stream, Some(1)), Next::CatchUp));
    let nothing = portion(Cursor::at(lane.id(5)), "");
    let next = lane.connection.on_caught_up(nothing, &lane.status);
    assert!(matches!(lane.apply(next), Next::CatchUp), "nothing matched so far");
    assert!(matches!(lane.timer(), Next::Idle), "it needs no heartbeat while it catches up");
    assert_eq!(lane.written(), "");

    lane.room = 2;
    let some = portion(Cursor::at(lane.id(7)), "some");
    let next = lane.connection.on_caught_up(some, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle), "its socket is full");
    assert!(matches!(lane.takes(usize::MAX), Next::CatchUp));
    let rest = portion(Cursor::at(lane.id(9)), "rest");
    let next = lane.connection.on_caught_up(rest, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!((lane.written().as_str(), lane.standing()), ("somerest", Standing::WithLane));
}

/// Otherwise the next pass would send it notifications that it must skip.
#[test]
fn a_client_in_its_snapshot_joins_the_lane_only_after_the_snapshot() {
    let mut lane = Lane::new();
    let hub = lane.status.hub.clone();
    for topic in ["a", "b", "a", "a"] {
        let notification = Notification::text(topic.parse().unwrap(), "");
        hub.publish(notification).try_outcome().unwrap().unwrap();
    }
    lane.comes_to(3);
    lane.subscribe(Shape::Stream, Some(0));
    let interest = Interest::new(">".parse().unwrap());
    let (mut cursor, _) = Cursor::open(hub.log(), Position::Latest, &interest);
    let (end, all) = (lane.id(3), Budget::default());
    let _ = cursor.read(hub.log(), &interest, SeatId::default(), end, all, &mut Vec::new());
    let next = lane.connection.on_caught_up(portion(cursor, "b"), &lane.status);
    assert!(matches!(lane.apply(next), Next::CatchUp));
    assert_eq!((cursor.seq(), lane.standing()), (3, Standing::Own(cursor)));

    let head = hub.log().head();
    let _ = cursor.read(hub.log(), &interest, SeatId::default(), head, all, &mut Vec::new());
    lane.comes_to(4);
    let next = lane.connection.on_caught_up(portion(cursor, "a"), &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.standing(), Standing::WithLane);
}

#[test]
fn a_client_that_is_further_than_the_lane_waits_for_it() {
    let mut lane = Lane::new();
    lane.comes_to(3);
    lane.subscribe(Shape::Stream, Some(5));
    let at = Cursor::at(lane.id(5));
    let next = lane.connection.on_caught_up(portion(at, ""), &lane.status);
    assert!(matches!(lane.apply(next), Next::AwaitPass));
    assert_eq!(lane.connection.join_pass(&[], Cursor::at(lane.id(3))), Part::Nothing);
    lane.timer();
    assert_eq!(lane.written(), "heartbeat at 5");
    lane.comes_to(7);
    assert!(!lane.connection.waits_for_lane(&lane.status));
    assert!(matches!(lane.connection.advance(&lane.status), Next::CatchUp));
}

#[test]
fn entries_of_the_broker_are_sent_and_until_then_the_end_of_its_hold_does_not_answer_a_poll() {
    let mut lane = Lane::new();
    lane.comes_to(9);
    assert!(matches!(lane.subscribe(POLL, Some(1)), Next::CatchUp));
    let pending = lane.hold();
    let next = lane.connection.on_fetching(pending, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert!(matches!(lane.timer(), Next::Idle));
    assert!(lane.wire.is_empty() && lane.timeout < Some(Duration::from_secs(1)));

    let found = portion(Cursor::at(lane.id(4)), "found");
    let next = lane.connection.on_fetched(found, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.written(), "found");
    assert_eq!(lane.seats(), 0);

    let mut stream = Lane::new();
    stream.comes_to(9);
    stream.subscribe(Shape::Stream, Some(1));
    let pending = stream.hold();
    stream.connection.on_fetching(pending, &stream.status);
    stream.timer();
    assert_eq!(stream.written(), "heartbeat at 1");
    let nothing = portion(Cursor::at(stream.id(4)), "");
    let next = stream.connection.on_fetched(nothing, &stream.status);
    assert!(matches!(stream.apply(next), Next::CatchUp));
}
