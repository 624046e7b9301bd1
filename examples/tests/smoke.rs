//! Starts each example. Those that serve are used with clients of other projects and ended by Ctrl-C. The others run to
//! their end.

#![cfg(unix)]

mod support;

use tokio_tungstenite::tungstenite::Message;

use support::{Answer, Example, assert_goodbye, close_frame, cursor, lines, run, text};

#[test]
fn websocket_ticks_from_the_first_client_on_until_ctrl_c_closes_all() {
    let mut example = Example::start("websocket");
    assert!(example.get("/").rest().contains("new WebSocket("));
    let mut one = example.websocket("/ticks");
    let mut other = example.websocket("/ticks");
    assert!(text(&mut one).starts_with("tick 1, "));
    assert!(text(&mut other).starts_with("tick "));
    example.interrupt();
    assert_goodbye(&close_frame(&mut one));
    assert_goodbye(&close_frame(&mut other));
    assert!(example.end().success());
}

#[test]
fn sse_ticks_from_the_first_client_on_until_ctrl_c_closes_all() {
    let mut example = Example::start("sse");
    assert!(example.get("/").rest().contains("new EventSource("));
    let mut one = example.get("/ticks");
    one.line_with("content-type: text/event-stream");
    one.line_with("data: tick 1");
    let mut other = example.request("GET /ticks", "Last-Event-ID: earliest\r\n", "");
    other.line_with("data: tick 1");
    example.interrupt();
    for stream in [one, other] {
        let rest = stream.rest();
        assert!(rest.contains("event: goodbye\ndata: ") && rest.contains("going_away"), "{rest}");
    }
    assert!(example.end().success());
}

#[test]
fn long_polling_ticks_from_cursor_to_cursor_until_ctrl_c_answers_all() {
    // The example must be ended within the second between two ticks, while a poll is held. If the machine is too slow,
    // the poll is answered with a tick and without a goodbye, and the test tries again.
    let mut attempts = (0..5).map(|_| poll_until_ctrl_c());
    let answer = attempts.find(|answer| !answer.contains("tick 2"));
    let answer = answer.expect("one of five attempts is fast enough");
    assert!(answer.contains("\"goodbye\":") && answer.contains("going_away"), "{answer}");
}

/// Polls, interrupts the example during the third poll, and returns the response to that poll.
fn poll_until_ctrl_c() -> String {
    let mut example = Example::start("long_polling");
    assert!(example.get("/").rest().contains("await fetch("));
    let first = example.get("/ticks").rest();
    assert!(
        first.ends_with("\"notifications\":[]}\n"),
        "a poll without a cursor is answered at once: {first}"
    );
    let second = example.get(&format!("/ticks?after={}", cursor(&first))).rest();
    assert!(second.contains("\"data\":\"tick 1\""), "{second}");
    let held = example.get(&format!("/ticks?after={}", cursor(&second)));
    example.settle();
    example.interrupt();
    let last = held.rest();
    assert!(example.end().success());
    last
}

#[test]
fn in_the_chat_a_message_goes_to_all_clients_except_its_sender() {
    let mut example = Example::start("chat");
    assert!(example.get("/").rest().contains("<input"));
    let mut one = example.websocket("/chat");
    let mut other = example.websocket("/chat");
    one.send("hello".into()).expect("the example reads");
    assert_eq!(text(&mut other), "hello");
    other.send("good morning".into()).expect("the example reads");
    assert_eq!(text(&mut one), "good morning", "the client does not receive its own hello");
    one.send("/who".into()).expect("the example reads");
    assert_eq!(text(&mut one), "2 are here");
    example.interrupt();
    assert_goodbye(&close_frame(&mut one));
    assert_goodbye(&close_frame(&mut other));
    assert!(example.end().success());
}

#[test]
fn echo_returns_large_text_and_binary_messages_on_both_paths_until_ctrl_c() {
    for way in ["lanes", "general-path"] {
        let mut example = Example::start_with("echo", &[way]);
        let mut socket = example.websocket("/topics/echo");
        let large = "tidings ".repeat(2 << 20);
        socket.send(large.as_str().into()).expect("the example reads");
        assert!(text(&mut socket) == large, "16 MiB are returned");
        socket.send(Message::binary(vec![0xff; 3])).expect("the example reads");
        assert_eq!(socket.read().expect("a message in time"), Message::binary(vec![0xff; 3]));
        example.interrupt();
        assert_goodbye(&close_frame(&mut socket));
        assert!(example.end().success());
    }
}

#[test]
fn one_axum_router_serves_all_transports_and_other_routes() {
    let mut example = Example::start("embed_axum");
    assert!(example.get("/").rest().contains("/topics/orders.*"));
    let url = "/topics/orders.*";
    let mut websocket = example.websocket(url);
    let accept = "Accept: text/event-stream\r\n";
    let mut events = example.request(&format!("GET {url}"), accept, "");
    events.line_with("retry: ");
    let poll = example.get(url).rest();
    let poll = example.get(&format!("{url}?after={}", cursor(&poll)));

    let ordered = example.request("POST /orders", "", "teapot").rest();
    assert!(ordered.contains("\r\n\r\norder "), "{ordered}");
    assert_eq!(text(&mut websocket), "teapot");
    events.line_with("data: teapot");
    let poll = poll.rest();
    assert!(poll.contains("\"topic\":\"orders.new\",\"data\":\"teapot\""), "{poll}");
    let rejected = example.get("/topics/orders..new").rest();
    assert!(rejected.contains(" 400 ") && rejected.contains("bad_topic"), "{rejected}");
    let rebound = example.get(&format!("http://evil.example{url}")).rest();
    assert!(rebound.contains(" 421 ") && rebound.contains("evil.example"), "{rebound}");

    let poll = example.get(&format!("{url}?after={}", cursor(&poll)));
    example.settle();
    example.interrupt();
    assert_goodbye(&close_frame(&mut websocket));
    for rest in [events.rest(), poll.rest()] {
        assert!(rest.contains("goodbye") && rest.contains("going_away"), "{rest}");
    }
    assert!(example.end().success());
}

#[test]
fn hyper_serves_a_mount_to_subscribe_and_to_publish() {
    let mut example = Example::start("embed_hyper");
    let mut websocket = example.websocket("/news.*");
    let accept = "Accept: text/event-stream\r\n";
    let mut events = example.request("GET /news.*", accept, "");
    events.line_with("retry: ");
    let published = example.request("POST /news.local", "", "the fair is open").rest();
    assert!(published.contains("{\"id\":\""), "{published}");
    assert_eq!(text(&mut websocket), "the fair is open");
    events.line_with("data: the fair is open");
    let poll = example.get("/news.*?after=earliest").rest();
    assert!(poll.contains("\"data\":\"the fair is open\""), "{poll}");
    let rejected = example.request("DELETE /news.local", "", "").rest();
    assert!(
        rejected.contains(" 405 ") && rejected.contains("allow: GET, HEAD, POST"),
        "{rejected}"
    );
    example.interrupt();
    assert_goodbye(&close_frame(&mut websocket));
    assert!(events.rest().contains("going_away"));
    assert!(example.end().success());
}

#[test]
fn users_of_the_service_have_presence_and_private_topics_and_can_be_disconnected() {
    let mut example = Example::start("service");
    let bob = "Cookie: token=bob-03e5d2\r\nAccept: text/event-stream\r\n";
    let mut bob = example.request("GET /events/public.*", bob, "");
    bob.line_with("data: bob is here");
    let mut ann = example.websocket("/events/public.*,users.ann.*?access_token=ann-7c1f9a");
    bob.line_with("data: ann is here");
    assert_eq!(text(&mut ann), "ann is here");
    assert!(example.request("POST /notify/ann", "", "lunch is ready").rest().contains(" 200 "));
    assert_eq!(text(&mut ann), "lunch is ready");
    assert!(example.get("/events/users.ann.*?access_token=bob-03e5d2").rest().contains(" 403 "));
    assert!(example.request("POST /disconnect/ann", "", "").rest().ends_with("\r\n\r\n1"));
    assert_eq!(u16::from(close_frame(&mut ann).code), 1008);
    example.interrupt();
    assert!(bob.rest().contains("going_away"));
    assert!(example.end().success());
}

#[test]
fn a_token_permits_only_its_own_topics_in_every_way_of_sending_it() {
    let mut example = Example::start("access");
    let ways = |token: &str| {
        [
            (format!("Authorization: Bearer {token}\r\n"), String::new()),
            (format!("Cookie: theme=dark; token={token}\r\n"), String::new()),
            (String::new(), format!("&access_token={token}")),
        ]
    };
    let status = |answer: Answer| -> u16 { answer.rest()[9..12].parse().expect("a status") };
    let post = |headers: &str, topic: &str| {
        status(example.request(&format!("POST /topics/{topic}"), headers, "good morning"))
    };
    let get = |headers: &str, filters: &str, token: &str| {
        let line = format!("GET /topics/{filters}?after=earliest&wait=0{token}");
        status(example.request(&line, headers, ""))
    };
    assert_eq!(get("", "users.ann.inbox", ""), 401);
    assert_eq!(get("", "public.news", ""), 200);
    assert_eq!(post("", "public.news"), 401);
    for (headers, token) in ways("ann-7c1f9a") {
        assert_eq!(post(&headers, &format!("users.ann.inbox?x{token}")), 200);
        assert_eq!(post(&headers, &format!("users.bob.inbox?x{token}")), 403);
        assert_eq!(get(&headers, "users.ann.%3E,public.news", &token), 200);
        assert_eq!(get(&headers, "users.ann.inbox,users.bob.inbox", &token), 403);
        assert_eq!(get(&headers, "%3E", &token), 403);
    }
    let mut socket = example.websocket("/topics/users.ann.inbox?access_token=ann-7c1f9a");
    socket.send("good evening".into()).expect("the example reads");
    assert_eq!(text(&mut socket), "good evening");
    for (headers, token) in ways("eve-000000") {
        assert_eq!(get(&headers, "users.ann.inbox", &token), 401);
    }
    example.interrupt();
    assert!(example.end().success());
}

#[test]
fn both_message_queues_store_each_once_and_deliver_after_a_position() {
    let output = run("message_queue", |_| {});
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output.stdout);
    let starts = ["nats://127.0.0.1:", "redis://127.0.0.1:"];
    let begins: Vec<usize> = starts
        .iter()
        .map(|start| lines.iter().position(|line| line.starts_with(start)))
        .map(|at| at.unwrap_or_else(|| panic!("both are installed: {lines:?}")))
        .collect();
    for part in [&lines[begins[0]..begins[1]], &lines[begins[1]..]] {
        let printed = |words: &str| -> &str {
            part.iter().find_map(|line| line.split_once(words)).expect(words).1
        };
        let first = printed("published one teapot: stored as ");
        let second = printed("with a key and without a hub: stored as ");
        assert_eq!(printed("again, with the same key: already stored as "), second);
        let came = |end: &str| part.iter().filter(|line| line.ends_with(end)).count();
        assert_eq!(came(&format!("    {first} orders.new: one teapot")), 1, "{part:?}");
        assert_eq!(came(&format!("    {second} orders.new: two cups")), 2, "{part:?}");
        assert_eq!(came("orders.new: two cups"), 2, "{part:?}");
    }
}

#[test]
fn without_a_message_queue_the_example_fails_with_how_to_install_one() {
    let output = run("message_queue", |command| {
        command.env("PATH", "");
    });
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("nats-server is not in the search path: install it ("), "{error}");
}

#[test]
fn a_client_whose_node_stops_resumes_at_the_other_and_loses_nothing() {
    let output = run("two_nodes", |_| {});
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output.stdout);
    assert!(lines.contains(&"client: 20 from node 2"), "{lines:?}");
    let last = lines.last().expect("a last line");
    assert!(last.starts_with("published 20, received ") && last.ends_with(", lost 0"), "{last}");
}
