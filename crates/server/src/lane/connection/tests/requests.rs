//! Requests and their responses.

use super::*;

#[test]
fn wherever_input_is_cut_whole_requests_get_responses_in_order_and_the_rest_is_handed_over() {
    let requests = [get("/1"), get("/2"), get("/3")];
    let all = requests.concat();
    for cut in 1..all.len() {
        let whole = cut / requests[0].len();
        let mut lane = Lane::new();
        let mut next = lane.read(&all.as_bytes()[..cut]);
        // An incomplete request is handed over after the responses to earlier ones are written.
        if whole > 0 && cut % requests[0].len() > 0 {
            assert!(matches!(next, Next::Yield), "{cut}: {next:?}");
            next = lane.read(b"");
        }
        assert_eq!(lane.bodies(), ["/1", "/2", "/3"][..whole], "{cut}");
        match next {
            Next::HandOver(bytes) => assert_eq!(bytes, all[whole * requests[0].len()..cut]),
            Next::Idle => assert_eq!(cut % requests[0].len(), 0),
            next => panic!("{cut}: {next:?}"),
        }
    }
}

#[test]
fn a_peer_that_reads_its_response_slowly_is_read_again_only_after_the_end_of_it() {
    for piece in [1, 7, 100] {
        let mut lane = Lane::new();
        lane.room = 0;
        assert!(matches!(lane.read(get("/1").as_bytes()), Next::Idle));
        assert_eq!(lane.timeout, Some(lane.status.settings.write_deadline));
        assert!(matches!(lane.read(get("/2").as_bytes()), Next::Idle), "it is not read");
        let mut next = Next::Idle;
        for _ in 0..1000 {
            if matches!(next, Next::Idle) {
                next = lane.takes(piece);
            }
        }
        assert!(matches!(next, Next::Yield), "its next request is read in the next turn: {next:?}");
        assert_eq!(lane.bodies(), ["/1"]);
        assert_eq!(lane.timeout, Some(lane.status.settings.idle_timeout));
        lane.room = usize::MAX;
        lane.read(get("/2").as_bytes());
        assert_eq!(lane.bodies(), ["/2"]);
    }
}

#[test]
fn requests_after_one_that_is_pending_wait_for_its_response() {
    let mut lane = Lane::new();
    lane.read((get("/1") + &get(PENDING) + &get("/2")).as_bytes());
    assert_eq!(lane.bodies(), ["/1"]);
    assert_eq!(lane.connection.prepare_read(), Reads::Peek);
    assert!(matches!(lane.timer(), Next::Idle), "the idle timeout does not end a pending request");
    let response = Response::new(Bytes::from_static(b"stored"));
    let next = lane.connection.on_response(&response, &lane.status);
    assert!(matches!(lane.apply(next), Next::Yield));
    assert_eq!(lane.bodies(), ["stored"]);
    lane.read(b"");
    assert_eq!(lane.bodies(), ["/2"]);
}

#[test]
fn a_connection_ends_with_the_response_if_the_peer_the_limit_or_the_server_requires_it() {
    let close = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned();
    let mut lane = Lane::new();
    assert!(matches!(lane.read((close + &get("/ignored")).as_bytes()), Next::Close));
    assert!(lane.written().contains("connection: close\r\n"));
    assert!(matches!(lane.timer(), Next::Remove), "its peer does not close its side");

    let mut lane = Lane::new();
    lane.connection = Connection::new(true);
    assert!(matches!(lane.read(get("/healthz").as_bytes()), Next::Close));
    lane.connection = Connection::new(true);
    assert!(matches!(lane.read(get("/other").as_bytes()), Next::HandOver(_)));

    let mut lane = Lane::new();
    lane.status.is_closing = true;
    assert!(matches!(lane.read(get("/1").as_bytes()), Next::Close));
}

#[test]
fn input_after_the_last_request_does_not_keep_the_connection_busy() {
    let close = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned();
    let mut lane = Lane::new();
    assert!(matches!(lane.read((close + &get("/ignored")).as_bytes()), Next::Close));
    assert!(matches!(lane.connection.advance(&lane.status), Next::Idle));
    assert!(matches!(lane.connection.on_end(PeerEnd::Stream, &lane.status), Next::Remove));
}
