//! The page at `/`, its files, and the information that it requests.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tidings_core::{Heartbeat, HubConfig};

use crate::support::{PATIENCE, Raw, Running, every_mover};

const A_BROWSER: &str = "Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, br\r\n";

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{headers}\r\n")
}

pub(super) fn files(html: &str) -> Vec<String> {
    let names = html.split('"').filter(|text| text.starts_with("page/"));
    names.map(|name| format!("/{name}")).collect()
}

#[test]
fn a_browser_receives_the_page_and_other_clients_receive_help() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let ask = async |headers| Raw::request(hub.address, request("GET", "/", headers)).await;
        let page = ask("Accept: text/html\r\n").await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let gzipped = ask(A_BROWSER).await;
        assert_eq!(gzipped.header("content-encoding"), Some("gzip"));
        assert!(gzipped.body.starts_with(&[0x1f, 0x8b]));
        for answer in [&page, &gzipped] {
            assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        }
        let help = ask("Accept: */*\r\n").await;
        assert_eq!(help.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(help.text().contains("curl") && help.text().contains("In a browser"));
        hub.stop().await;
    });
}

#[test]
fn the_files_of_the_page_are_cached_and_the_page_is_revalidated() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let ask = async |path: &str, headers: &str| {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(request("GET", path, headers)).await;
            raw
        };
        let page = ask("/", "Accept: text/html\r\n").await.answer().await;
        let files = files(&page.text());
        assert_eq!(files.len(), 2, "{files:?}");
        for path in files {
            let file = ask(&path, A_BROWSER).await.answer().await;
            assert_eq!(file.status, 200, "{path}");
            assert_eq!(file.header("content-encoding"), Some("gzip"));
            let kept = Some("public, max-age=31536000, immutable");
            assert_eq!(file.header("cache-control"), kept);
        }
        let tag = page.header("etag").unwrap();
        let known = format!("Accept: text/html\r\nIf-None-Match: {tag}\r\n");
        let mut again = ask("/", &known).await;
        let head = again.head().await;
        assert_eq!((head.status, head.header("etag")), (304, Some(tag)));
        assert_eq!(head.header("content-length"), None, "it would be the length of the page");
        assert_eq!(again.rest().await, b"");
        hub.stop().await;
    });
}

#[test]
fn the_javascript_client_is_served_to_every_origin_even_without_the_page() {
    every_mover(async |mover| {
        for live_page in [true, false] {
            let mut config = mover.config(HubConfig::default()).await;
            config.live_page = live_page;
            let hub = Running::start(config).await;
            let ask = async |headers: &str| {
                let headers = format!("Origin: http://elsewhere.example\r\n{headers}");
                let mut raw = Raw::connect(hub.address).await;
                raw.send(request("GET", "/client.js", &headers)).await;
                raw
            };
            let client = ask("").await.answer().await;
            assert_eq!(client.status, 200);
            assert_eq!(client.header("content-type"), Some("text/javascript; charset=utf-8"));
            assert_eq!(client.header("access-control-allow-origin"), Some("*"));
            assert!(client.text().contains("as tidings}"));
            let separate = Raw::get(hub.address, "/webtransport.js").await;
            assert_eq!(separate.header("access-control-allow-origin"), Some("*"));
            assert!(separate.text().contains("as webTransport}"));
            let known = format!("If-None-Match: {}\r\n", client.header("etag").unwrap());
            let mut again = ask(&known).await;
            assert_eq!(again.head().await.status, 304);
            assert_eq!(again.rest().await, b"");
            hub.stop().await;
        }
    });
}

#[test]
fn the_response_to_a_head_has_no_body() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        for path in ["/", "/transports", "/client.js", "/webtransport.js"] {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(request("HEAD", path, "Accept: text/html\r\n")).await;
            let head = raw.head().await;
            assert_eq!(head.status, 200);
            assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
            assert_eq!(raw.rest().await, b"");
        }
        hub.stop().await;
    });
}

#[test]
fn a_server_without_the_page_sends_help() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.live_page = false;
        let hub = Running::start(config).await;
        let help = Raw::request(hub.address, request("GET", "/", A_BROWSER)).await;
        assert_eq!(help.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(!help.text().contains("In a browser"));
        hub.stop().await;
    });
}

#[test]
fn a_page_can_request_what_it_needs() {
    every_mover(async |mover| {
        let heartbeat = Heartbeat::default().interval(Duration::from_millis(1500));
        let mut config = mover.config(HubConfig::default().heartbeat(heartbeat)).await;
        config.demo = Some("ticks".parse().unwrap());
        config.transports.retain(|it| ["sse", "long-polling"].contains(&it.name()));
        let hub = Running::start(config).await;
        let answer = Raw::get(hub.address, "/transports").await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let mut information = answer.json();
        let now = information["now"].take().as_f64().unwrap();
        let expected = json!({
            "transports": ["sse", "long-polling"], "demo": "ticks", "heartbeat": 1500, "now": null,
        });
        assert_eq!(information, expected);
        let ours = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() * 1e3;
        assert!((ours - now).abs() < PATIENCE.as_secs_f64() * 1e3, "{now}, and here it is {ours}");
        hub.stop().await;
    });
}
