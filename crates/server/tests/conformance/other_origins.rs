//! Pages of other origins: those that the policy lists can read everything, and others nothing.

use std::sync::Arc;

use tidings_core::HubConfig;
use tidings_server::Origins;
use tidings_transport::Shape;

use crate::support::{Mover, Raw, Running, eventually, every, every_mover};

const SHOP: &str = "Origin: https://shop.example\r\n";
const OTHER: &str = "Origin: https://other.example\r\n";
const OWN: &str = "Origin: http://hub\r\n";

async fn hub(mover: Mover) -> Running {
    let mut config = mover.config(HubConfig::default()).await;
    config.origins = Origins::Listed(vec!["https://shop.example".to_owned()]);
    Running::start(config).await
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n")
}

/// The origin that this header line permits to read the response.
fn allowed(line: &str) -> Option<&str> {
    line.trim().split_once(": ").map(|(_, origin)| origin)
}

/// The origin of the pages of a server by this mover.
fn own(mover: Mover) -> String {
    if mover.is_tls() { OWN.replace("http:", "https:") } else { OWN.to_owned() }
}

fn post(headers: &str) -> String {
    format!("POST /topics/t HTTP/1.1\r\nHost: hub\r\n{headers}Content-Length: 1\r\n\r\nx")
}

#[test]
fn a_page_of_a_listed_origin_can_read_its_responses() {
    every_mover(async |mover| {
        let hub = hub(mover).await;
        for request in [
            get("/topics/t", ""),
            get("/topics/t?after=earliest&wait=0", ""),
            get("/topics/t", "Accept: text/event-stream\r\n"),
            get("/topics/a..b", ""),
            post(""),
        ] {
            for (origin, expected) in
                [(SHOP, allowed(SHOP)), (OWN, None), (OTHER, None), ("", None)]
            {
                let request = request.replace("Host: hub\r\n", &format!("Host: hub\r\n{origin}"));
                let mut raw = Raw::connect(hub.address).await;
                raw.send(&request).await;
                let head = raw.head().await;
                assert_eq!(head.header("access-control-allow-origin"), expected, "{request}");
                let with_cookies = expected.map(|_| "true");
                let credentials = head.header("access-control-allow-credentials");
                assert_eq!(credentials, with_cookies, "{request}");
                let readable = expected.map(|_| "retry-after");
                assert_eq!(head.header("access-control-expose-headers"), readable, "{request}");
            }
        }
        hub.stop().await;
    });
}

/// The list of origins applies to every transport and to publishing.
#[test]
fn a_page_may_use_every_transport_or_none_and_has_a_seat_only_if_it_may() {
    let fetch = |site: &str, mode: &str, dest: &str| {
        format!("Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}\r\n")
    };
    every(async |case| {
        let hub = hub(case.mover).await;
        let own = own(case.mover);
        for headers in [
            OTHER.to_owned(),
            "Origin: null\r\n".to_owned(),
            "Origin: http://shop.example\r\n".to_owned(),
            fetch("cross-site", "no-cors", "empty"),
            fetch("same-site", "no-cors", "image"),
            fetch("cross-site", "navigate", "iframe"),
        ] {
            let mut peer = case.subscribe(&hub, "t", "&after=earliest", &headers).await;
            let rejection = peer.rejection().await;
            assert_eq!(rejection, (403, "origin_not_allowed".to_owned()), "{headers}");
            assert!(hub.hub.pool().is_empty(), "{headers}");
            let answer = Raw::request(hub.address, post(&headers)).await;
            assert_eq!(answer.rejection(), (403, "origin_not_allowed".to_owned()), "{headers}");
        }
        for headers in [
            SHOP.to_owned(),
            own,
            fetch("same-origin", "cors", "empty"),
            fetch("cross-site", "navigate", "document"),
        ] {
            // A CONNECT is not a link that a user follows.
            let connects =
                case.is_session() || case.mover.is_http2() && case.shape() == Shape::Upgrade;
            if connects && headers.contains("navigate") {
                continue;
            }
            case.subscribe(&hub, "t", "&after=earliest&wait=0", &headers).await.accepted().await;
        }
        hub.stop().await;
    });
}

#[test]
fn the_rejection_of_an_origin_names_the_origin_the_host_and_the_flag() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let sse = "Accept: text/event-stream\r\n";
        for request in [post(SHOP), get("/topics/t", &format!("{SHOP}{sse}"))] {
            let message = Raw::request(hub.address, request).await.text();
            for named in ["https://shop.example", "hub", "--allow-origin https://shop.example"] {
                assert!(message.contains(named), "{message}");
            }
        }
        hub.stop().await;
    });
}

#[test]
fn a_page_of_a_listed_origin_can_read_the_response_to_a_held_poll() {
    every_mover(async |mover| {
        let hub = hub(mover).await;
        let position = hub.publish("t", "before").await;
        let mut raws = Vec::new();
        let own = own(mover);
        for origin in [SHOP, &own, SHOP] {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(get(&format!("/topics/t?after={position}"), origin)).await;
            raws.push((raw, origin));
        }
        eventually("three are seated", async || hub.hub.pool().len() == 3).await;
        hub.publish("t", "news").await;
        for (mut raw, origin) in raws {
            let answer = raw.answer().await;
            assert!(answer.text().contains("news"), "{answer:?}");
            let expected = allowed(origin).filter(|_| origin == SHOP);
            assert_eq!(answer.header("access-control-allow-origin"), expected, "{answer:?}");
        }
        hub.stop().await;
    });
}

#[test]
fn the_response_to_a_preflight_lists_what_a_page_may_send() {
    const ASKED: &str = "authorization,baggage,content-type,idempotency-key,sentry-trace,tidings-event,tidings-kind,\
                         tidings-time,traceparent,tracestate";
    let ask = |origin: &str, path: &str| {
        let headers = format!(
            "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {ASKED}\r\n"
        );
        get(path, &format!("{origin}{headers}")).replace("GET", "OPTIONS")
    };
    every_mover(async |mover| {
        let hub = hub(mover).await;
        for path in ["/topics/t", "/transports"] {
            let answer = Raw::request(hub.address, ask(SHOP, path)).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("access-control-allow-origin"), allowed(SHOP));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
            assert_eq!(answer.header("access-control-allow-headers"), Some(ASKED));
        }
        for origin in [OTHER, ""] {
            let answer = Raw::request(hub.address, ask(origin, "/topics/t")).await;
            assert_eq!(answer.rejection(), (405, "method_not_allowed".to_owned()));
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        hub.stop().await;
    });
}

#[test]
fn a_page_of_the_same_origin_needs_no_permission() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.origins = Origins::Any;
        let hub = Running::start(config).await;
        let answer = Raw::request(hub.address, get("/topics/t", &own(mover))).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let answer = Raw::request(hub.address, get("/topics/t", OTHER)).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        // Otherwise every page could use the cookies of the user.
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        hub.stop().await;
    });
}

/// If every origin is permitted, a page that is not listed by name may read, but without the cookies of its user.
#[test]
fn cookies_are_permitted_for_listed_origins_only() {
    every_mover(async |mover| {
        for origins in [
            Origins::Any,
            Origins::Custom(Arc::new(|_, _| true)),
            // Any page can have the origin `null` by a sandbox.
            Origins::Listed(vec!["null".to_owned()]),
        ] {
            let mut config = mover.config(HubConfig::default()).await;
            config.origins = origins;
            let hub = Running::start(config).await;
            let answer = Raw::request(hub.address, get("/topics/t", "Origin: null\r\n")).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            hub.stop().await;
        }
    });
}
