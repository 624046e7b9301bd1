//! Sessions that are rejected: accepted, and closed with the status and the code.

use quinn::TransportConfig;
use tidings_core::{HubConfig, Limits};
use tidings_server::{Action, Authorizer, Hosts, Origins};
use tidings_transport::{Rejection, query};

use super::client::{Lines, closed, open, open_at, open_from, sessions, start};
use crate::support::{Raw, in_time};

#[tokio::test]
async fn each_rejection_has_its_status_as_code_and_its_code_in_the_reason() {
    in_time(async {
        let hub = start(HubConfig::default().limits(Limits::default().total(1)), |config| {
            // The name is that of the requests for metrics.
            config.hosts = Hosts::Listed(vec!["hub".to_owned()]);
        })
        .await;
        for (path, status, code) in [
            ("/topics/a..b", 400, "bad_topic"),
            ("/topics/a?after=soon", 400, "bad_id"),
            ("/topics/a?transport=sse", 400, "bad_transport"),
            ("/", 404, "not_found"),
            ("/topics", 404, "not_found"),
        ] {
            let (found, reason) = closed(&open(&hub, path).await).await;
            assert_eq!(found, status, "{path}: {reason}");
            assert!(reason.starts_with(&format!("{code}: ")), "{path}: {reason}");
        }
        let url = format!("https://evil.example:{}/topics/a", sessions(&hub).address.port());
        let foreign = open_at(sessions(&hub), &url, None, TransportConfig::default()).await;
        let (status, reason) = closed(&foreign).await;
        assert!(status == 421 && reason.starts_with("unknown_host: "), "{status} {reason}");

        let first = open(&hub, "/topics/a?transport=webtransport").await;
        let _lines = Lines::of(&first).await;
        let (status, reason) = closed(&open(&hub, "/topics/a").await).await;
        assert!(status == 503 && reason.starts_with("full: "), "{status} {reason}");
        assert_eq!(hub.metric("tidings_rejected_total").await, 5);
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_page_of_another_origin_may_connect_only_if_it_is_listed() {
    in_time(async {
        const LISTED: &str = "https://shop.example";
        let hub = start(HubConfig::default(), |config| {
            config.origins = Origins::Listed(vec![LISTED.to_owned()]);
        })
        .await;
        let port = sessions(&hub).address.port();
        let own = format!("https://localhost:{port}");
        for origin in [LISTED, &own] {
            let session = open_from(&hub, "/topics/t", Some(origin)).await;
            Lines::of(&session).await.next().await;
        }
        let plain = format!("http://localhost:{port}");
        for origin in ["https://evil.example", "null", &plain] {
            let session = open_from(&hub, "/topics/t", Some(origin)).await;
            let (status, reason) = closed(&session).await;
            assert_eq!(status, 403, "{origin}: {reason}");
            assert!(reason.starts_with("origin_not_allowed: "), "{reason}");
        }
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_token_in_the_query_is_seen_by_the_authorizer() {
    in_time(async {
        let hub = start(HubConfig::default(), |config| {
            config.authorizer = Authorizer::from_fn(|request, action| match action {
                Action::Subscribe(_) if query(request, "access_token").as_deref() != Some("s3") => {
                    Err(Rejection::unauthorized("a token, please"))
                }
                _ => Ok(()),
            });
        })
        .await;
        let (status, reason) = closed(&open(&hub, "/topics/t").await).await;
        assert_eq!((status, &*reason), (401, "unauthorized: a token, please"));
        let session = open(&hub, "/topics/t?access_token=s3").await;
        Lines::of(&session).await.next().await;
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn over_http_1_the_transport_is_rejected_and_described() {
    in_time(async {
        let hub = start(HubConfig::default(), |_| {}).await;
        let answer = Raw::get(hub.address, "/topics/t?transport=webtransport").await;
        assert_eq!(answer.rejection(), (400, "bad_handshake".to_owned()));
        let about = Raw::get(hub.address, "/transports").await.json();
        assert_eq!(about["transports"].as_array().unwrap().last().unwrap(), "webtransport");
        assert_eq!(about["webtransport"]["port"], sessions(&hub).address.port());
        // The certificate of the tests is valid for many years.
        assert_eq!(about["webtransport"]["hashes"], serde_json::json!([]));
        hub.stop().await;
    })
    .await;
}
