//! Tests of the opening handshake.

use super::*;

type Header = (&'static str, &'static str);

/// Accepts an upgrade with these headers changed, or removed if the value is `None`.
fn accept(changes: &[(&'static str, Option<&str>)]) -> Result<Accepted, Rejection> {
    accept_with(&WebSocket::default(), "/topics/t", changes)
}

fn accept_with(
    transport: &WebSocket,
    uri: &str,
    changes: &[(&'static str, Option<&str>)],
) -> Result<Accepted, Rejection> {
    let mut request = http::Request::get(uri)
        .header("host", "hub.example")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "WebSocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    for (name, value) in changes {
        match value {
            Some(value) => drop(request.headers_mut().insert(*name, value.parse().unwrap())),
            None => drop(request.headers_mut().remove(*name)),
        }
    }
    let parts = request.into_parts().0;
    let subscribe = SubscribeRequest::read("t", &parts).unwrap();
    transport.accept(&parts, &subscribe)
}

/// Accepts an extended `CONNECT` to this protocol, with these headers.
fn connect(
    transport: &WebSocket,
    headers: &[Header],
    protocol: &str,
) -> Result<Accepted, Rejection> {
    let mut request = http::Request::builder().method("CONNECT").uri("http://hub/topics/t");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.version(http::Version::HTTP_2).body(()).unwrap();
    let mut parts = request.into_parts().0;
    parts.extensions.insert(tidings_transport::ConnectProtocol::new(protocol));
    let subscribe = SubscribeRequest::read("t", &parts).unwrap();
    assert_eq!(transport.claims(&parts), protocol == "websocket");
    transport.accept(&parts, &subscribe)
}

#[test]
fn the_offered_subprotocol_is_chosen_and_unknown_ones_are_ignored() {
    let protocol = |offer| {
        let head = accept(&[("sec-websocket-protocol", Some(offer))]).unwrap().head;
        head.headers().get("sec-websocket-protocol").cloned()
    };
    assert_eq!(protocol("mqtt, tidings.v1"), Some(HeaderValue::from_static("tidings.v1")));
    assert_eq!(protocol("mqtt"), None);
}

#[test]
fn an_extended_connect_is_accepted_without_a_key() {
    let transport = WebSocket::default();
    let version = ("sec-websocket-version", "13");
    let headers = [version, ("sec-websocket-protocol", SUBPROTOCOL)];
    let accepted = connect(&transport, &headers, "websocket");
    let response = accepted.unwrap().response(());
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().len(), 1);
    assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
    let code = |changes: &[_], protocol| {
        let rejection = connect(&transport, changes, protocol).unwrap_err();
        (rejection.status.as_u16(), rejection.code)
    };
    assert_eq!(code(&[], "websocket"), (400, "bad_version"));
    assert_eq!(code(&[version, ("content-length", "1")], "websocket"), (400, "bad_handshake"));
    assert_eq!(code(&[version], "connect-udp"), (400, "bad_handshake"));
}

#[test]
fn each_malformed_handshake_is_rejected_with_its_status() {
    let rejected = |name, value| {
        let rejection = accept(&[(name, value)]).unwrap_err();
        (rejection.status.as_u16(), rejection.code)
    };
    assert_eq!(rejected("upgrade", None), (426, "upgrade_required"));
    assert_eq!(rejected("connection", Some("close")), (426, "upgrade_required"));
    assert_eq!(rejected("sec-websocket-version", Some("8")), (426, "bad_version"));
    assert_eq!(rejected("sec-websocket-key", Some("c2hvcnQ=")), (400, "bad_handshake"));
    assert_eq!(rejected("sec-websocket-key", None), (400, "bad_handshake"));
}

#[test]
fn the_extension_is_in_each_response_and_in_the_encoder() {
    const OFFERED: &str = "sec-websocket-extensions";
    let table = [
        ("x", None, "deflates: false"),
        (
            "permessage-deflate",
            Some("permessage-deflate; client_no_context_takeover"),
            "deflates: true",
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=12"),
            "deflates: true",
        ),
        (
            "permessage-deflate; server_max_window_bits=14",
            Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=12"),
            "deflates: true",
        ),
    ];
    let transport = WebSocket::default();
    let mut encoders = std::collections::HashSet::new();
    for (offer, response, deflate) in table {
        for protocol in [SUBPROTOCOL, "mqtt"] {
            let changes = [(OFFERED, Some(offer)), ("sec-websocket-protocol", Some(protocol))];
            let headers = [
                ("sec-websocket-version", "13"),
                (OFFERED, offer),
                ("sec-websocket-protocol", protocol),
            ];
            let upgrade = accept_with(&transport, "/topics/t", &changes).unwrap();
            let connect = connect(&transport, &headers, "websocket").unwrap();
            for (accepted, status) in [(upgrade, 101), (connect, 200)] {
                let headers = accepted.head.headers();
                let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
                assert_eq!(header(OFFERED), response, "{offer}");
                let subprotocol = header("sec-websocket-protocol");
                assert_eq!(subprotocol.is_some(), protocol == SUBPROTOCOL, "{offer}");
                assert_eq!(accepted.head.status(), status, "{offer}");
                assert!(format!("{:?}", accepted.encoder).contains(deflate), "{offer}");
                encoders.insert(Arc::as_ptr(&accepted.encoder).addr());
            }
            let off = accept_with(&transport, "/topics/t?compression=off", &changes).unwrap();
            assert_eq!(off.head.headers().get(OFFERED), None, "{offer}");
        }
    }
    // For each subprotocol: without and with the extension.
    assert_eq!(encoders.len(), 4);
}
