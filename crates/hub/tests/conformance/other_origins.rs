//! Pages of other origins: those that the policy lists can read everything, the rest nothing.

use tidings_core::HubConfig;
use tidings_hub::{Config, Origins};

use crate::support::{Mover, Raw, Running, eventually, every_mover};

const SHOP: &str = "Origin: https://shop.example\r\n";
const OTHER: &str = "Origin: https://other.example\r\n";
const OWN: &str = "Origin: http://hub\r\n";

async fn hub(mover: Mover) -> Running {
    let mut config: Config = mover.config(HubConfig::default()).await;
    config.origins = Origins::Listed(vec!["https://shop.example".to_owned()]);
    Running::start(config).await
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n")
}

fn post(headers: &str) -> String {
    format!("POST /topics/t HTTP/1.1\r\nHost: hub\r\n{headers}Content-Length: 1\r\n\r\nx")
}

#[test]
fn a_page_of_a_listed_origin_can_read_what_it_is_answered() {
    every_mover(async |mover| {
        let hub = hub(mover).await;
        for request in [
            get("/topics/t", ""),
            get("/topics/t?after=earliest&wait=0", ""),
            get("/topics/t", "Accept: text/event-stream\r\n"),
            get("/topics/a..b", ""),
            post(""),
        ] {
            for (origin, expected) in [(SHOP, Some("*")), (OTHER, None), ("", None)] {
                let request = request.replace("Host: hub\r\n", &format!("Host: hub\r\n{origin}"));
                let mut raw = Raw::connect(hub.address).await;
                raw.send(&request).await;
                let head = raw.head().await;
                assert_eq!(head.header("access-control-allow-origin"), expected, "{request}");
                let readable = expected.map(|_| "retry-after");
                assert_eq!(head.header("access-control-expose-headers"), readable, "{request}");
            }
        }
        hub.stop().await;
    });
}

#[test]
fn a_held_poll_of_a_listed_origin_is_answered_so_that_its_page_can_read_it() {
    every_mover(async |mover| {
        let hub = hub(mover).await;
        let position = hub.publish("t", "before").await;
        let mut raws = Vec::new();
        for origin in [SHOP, OTHER, SHOP] {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(get(&format!("/topics/t?after={position}"), origin)).await;
            raws.push((raw, origin));
        }
        eventually("three are seated", async || hub.hub.pool().len() == 3).await;
        hub.publish("t", "news").await;
        for (mut raw, origin) in raws {
            let answer = raw.answer().await;
            assert!(answer.text().contains("news"), "{answer:?}");
            let expected = (origin == SHOP).then_some("*");
            assert_eq!(answer.header("access-control-allow-origin"), expected, "{answer:?}");
        }
        hub.stop().await;
    });
}

#[test]
fn a_browser_that_asks_first_is_told_what_a_page_may_send() {
    let ask = |origin: &str| {
        let headers = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: idempotency-key\r\n";
        get("/topics/t", &format!("{origin}{headers}")).replace("GET", "OPTIONS")
    };
    every_mover(async |mover| {
        let hub = hub(mover).await;
        let answer = Raw::ask(hub.address, ask(SHOP)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
        let headers = answer.header("access-control-allow-headers").unwrap_or_default();
        assert!(
            headers.contains("idempotency-key") && headers.contains("authorization"),
            "{headers}"
        );
        for origin in [OTHER, ""] {
            let answer = Raw::ask(hub.address, ask(origin)).await;
            assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()));
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        hub.stop().await;
    });
}

#[test]
fn a_page_of_the_hubs_own_origin_needs_no_leave() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.origins = Origins::Any;
        let hub = Running::start(config).await;
        let answer = Raw::ask(hub.address, get("/topics/t", OWN)).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let answer = Raw::ask(hub.address, get("/topics/t", OTHER)).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        hub.stop().await;
    });
}
