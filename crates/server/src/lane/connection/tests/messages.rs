//! What a client sends, and replies to it.

use super::*;

/// Makes the application reply to the client's messages.
fn reply_to_messages(lane: &mut Lane) {
    let Stage::Serving(client) = &mut lane.connection.stage else { panic!("it is served") };
    client.on_message = OnMessage::from_fn(|_, message| Ok(Some(message)));
}

/// Replies to the client's message with this many bytes.
fn reply(lane: &mut Lane, length: usize) -> Next {
    let reply = Bytes::from(vec![b'x'; length]);
    let next = lane.connection.on_handled(None, Ok(reply), &lane.status);
    lane.apply(next)
}

/// A lane with a client whose message is pending, and with a second message in the socket.
fn with_pending_message(may_reply: bool) -> Lane {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    if may_reply {
        reply_to_messages(&mut lane);
    }
    assert!(matches!(lane.read(&frame(TEXT, b"1")), Next::Handle(_)));
    let pending = lane.hold();
    assert!(matches!(lane.connection.on_handling(pending, &lane.status), Next::Idle));
    assert!(matches!(lane.read(&frame(TEXT, b"2")), Next::Idle));
    lane
}

#[test]
fn wherever_input_of_a_client_is_cut_it_is_handled_in_its_order() {
    let sent =
        [frame(PING, b"!"), frame(TEXT, b"hi"), frame(CLOSE, b""), frame(PING, b"?")].concat();
    for cut in 1..sent.len() {
        let mut lane = Lane::with_client(Shape::Upgrade, None);
        let mut published = 0;
        for part in [&sent[..cut], &sent[cut..]] {
            let mut next = lane.read(part);
            while let Next::Handle(message) = next {
                assert_eq!(message, Message::text("hi"));
                assert!(lane.wire.starts_with(&PONG), "{cut}");
                published += 1;
                // The lane has already reached the message.
                lane.comes_to(1);
                next = lane.publishes(1);
                next = lane.apply(next);
            }
        }
        assert_eq!(published, 1, "{cut}");
        assert_eq!(lane.wire, [&PONG[..], b"!", &[0x88, 0]].concat(), "{cut}");
    }
}

#[test]
fn input_after_a_message_waits_until_the_message_is_published() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    let next = lane.read(&[frame(TEXT, b"1"), frame(TEXT, b"2")].concat());
    assert!(matches!(next, Next::Handle(_)));
    let pending = lane.hold();
    assert!(matches!(lane.connection.on_handling(pending, &lane.status), Next::Idle));
    assert!(matches!(lane.takes(usize::MAX), Next::Idle), "the second waits for the first");
    assert_eq!(lane.connection.prepare_read(), Reads::Peek);
    assert!(matches!(lane.read(&frame(TEXT, b"3")), Next::Idle));

    let next = lane.publishes(1);
    assert!(matches!(lane.apply(next), Next::Handle(message) if message.payload == "2"));
    let next = lane.publishes(2);
    assert!(matches!(lane.apply(next), Next::Yield), "more was left in the socket");
    let next = lane.read(&frame(TEXT, b"3"));
    assert!(matches!(next, Next::Handle(message) if message.payload == "3"));
    lane.comes_to(2);
    let next = lane.connection.on_handled(None, Err(Reason::TooBig), &lane.status);
    assert!(matches!(lane.apply(next), Next::Close));
    assert_eq!(lane.written(), "goodbye too_big");
}

#[test]
fn the_last_frame_comes_after_the_clients_own_messages_or_when_their_time_is_over() {
    for comes in [true, false] {
        let mut lane = Lane::with_client(Shape::Upgrade, None);
        let next = lane.read(&[frame(TEXT, b"1"), frame(CLOSE, b"")].concat());
        assert!(matches!(next, Next::Handle(_)));
        let next = lane.publishes(1);
        assert!(matches!(lane.apply(next), Next::AwaitPass));
        assert_eq!((lane.wire.len(), lane.timeout), (0, Some(ECHO)));
        assert!(lane.connection.waits_for_lane(&lane.status));
        let next = if comes {
            lane.comes_to(1);
            assert!(!lane.connection.waits_for_lane(&lane.status));
            lane.connection.advance(&lane.status)
        } else {
            lane.connection.on_timer(&lane.status)
        };
        assert!(matches!(lane.apply(next), Next::Close));
        assert_eq!(lane.wire, [0x88, 0]);
    }
}

#[test]
fn a_client_that_pings_without_reading_gets_only_some_pongs() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    lane.room = 0;
    let pings: Vec<u8> = std::iter::repeat_n(frame(PING, &[b'!'; 100]), 500).flatten().collect();
    assert!(matches!(lane.read(&pings), Next::Idle));
    let unsent = lane.connection.unsent().len();
    assert!((4096..4096 + 128).contains(&unsent), "{unsent}");
}

#[test]
fn messages_wait_until_the_replies_before_them_are_written() {
    for may_reply in [true, false] {
        let mut lane = Lane::with_client(Shape::Upgrade, None);
        if may_reply {
            reply_to_messages(&mut lane);
        }
        lane.room = 3;
        let frames = ["1", "2", "3"].map(|text| frame(TEXT, text.as_bytes())).concat();
        assert!(matches!(lane.read(&frames), Next::Handle(message) if message.payload == "1"));
        let next = reply(&mut lane, 10);
        assert!(matches!(next, Next::Handle(message) if message.payload == "2"), "not full yet");
        assert!(lane.wire.is_empty(), "replies are written together");
        let next = reply(&mut lane, MAX_ANSWERS);
        if may_reply {
            assert!(matches!(next, Next::Idle), "the socket is full");
            assert_eq!(lane.connection.prepare_read(), Reads::Peek);
        }
        let next = if may_reply { lane.takes(usize::MAX) } else { next };
        assert!(matches!(next, Next::Handle(message) if message.payload == "3"), "{may_reply}");
    }
}

#[test]
fn a_ping_after_a_long_reply_is_answered() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    reply_to_messages(&mut lane);
    assert!(matches!(lane.read(&[frame(TEXT, b"1"), frame(PING, b"!")].concat()), Next::Handle(_)));
    assert!(matches!(reply(&mut lane, 5000), Next::Idle));
    assert_eq!(lane.wire[5000..], [&PONG[..], b"!"].concat());
}

#[test]
fn a_message_that_is_put_back_comes_first_and_nothing_is_read_before_it() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    let frames = [frame(TEXT, b"1"), frame(TEXT, b"2")].concat();
    let Next::Handle(message) = lane.read(&frames) else { panic!("there is one") };
    lane.connection.put_back(message);
    assert_eq!(lane.connection.prepare_read(), Reads::Peek);
    let next = lane.connection.advance(&lane.status);
    assert!(matches!(next, Next::Handle(message) if message.payload == "1"));
}

#[test]
fn a_peer_that_leaves_while_its_message_is_handled_is_removed() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    reply_to_messages(&mut lane);
    assert!(matches!(lane.read(&frame(TEXT, b"1")), Next::Handle(_)));
    let pending = lane.hold();
    assert!(matches!(lane.connection.on_handling(pending, &lane.status), Next::Idle));
    for _ in 0..3 {
        assert!(matches!(lane.timer(), Next::Idle));
        assert_eq!(lane.written(), "heartbeat at 0", "it is not read, so it is not silent");
    }
    let next = lane.connection.on_end(PeerEnd::Stream, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.written(), "heartbeat at 0");
    assert!(matches!(lane.connection.on_reset(), Next::Remove));
}

#[test]
fn a_peer_that_leaves_while_its_message_is_published_is_kept_until_the_publish_ends() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    assert!(matches!(lane.read(&frame(TEXT, b"1")), Next::Handle(_)));
    let pending = lane.hold();
    lane.connection.on_handling(pending, &lane.status);
    let next = lane.connection.on_end(PeerEnd::Stream, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert!(lane.wire.is_empty() && matches!(lane.connection.on_reset(), Next::Idle));
    lane.comes_to(1);
    let next = lane.publishes(1);
    assert!(matches!(lane.apply(next), Next::Yield), "its end is read now");
}

#[test]
fn a_goodbye_ends_the_handling_of_a_message_but_not_its_publish() {
    for may_reply in [true, false] {
        let mut lane = with_pending_message(may_reply);
        let next = lane.connection.on_goodbye(Reason::NotAllowed, &lane.status);
        assert!(matches!(lane.apply(next), Next::Close));
        assert_eq!(lane.written(), "goodbye not_allowed");
        assert_eq!(lane.connection.pending.is_none(), may_reply);
    }
}

#[test]
fn a_peer_that_closes_its_side_after_a_goodbye_is_removed_even_if_its_message_is_pending() {
    for may_reply in [true, false] {
        let mut lane = with_pending_message(may_reply);
        let next = lane.connection.on_goodbye(Reason::NotAllowed, &lane.status);
        assert!(matches!(lane.apply(next), Next::Close));
        assert!(matches!(lane.connection.advance(&lane.status), Next::Yield), "more was left");
        lane.read(&frame(TEXT, b"2"));
        assert!(matches!(lane.connection.advance(&lane.status), Next::Idle));
        assert!(
            matches!(lane.connection.on_end(PeerEnd::Stream, &lane.status), Next::Remove),
            "{may_reply}"
        );
    }
}
