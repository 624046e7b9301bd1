//! Access depends on the meaning of a request, and not on the way in which its path is written.

use http::StatusCode;
use tidings_core::{Filters, HubConfig, Topic};
use tidings_server::{Action, Authorizer};
use tidings_transport::Rejection;

use super::live_page::files;
use crate::support::{Case, Mover, Peer, Raw, Running, every, every_mover};

/// Permits every client to open the page, to subscribe to public topics and those of ann, and to publish as ann.
fn ann() -> Authorizer {
    let reads: Filters = "public.>,users.ann.>".parse().unwrap();
    let writes: Filters = "users.ann.>".parse().unwrap();
    Authorizer::from_fn(move |_, action| match action {
        Action::Subscribe(filters) if reads.contains(filters) => Ok(()),
        Action::Publish(topic) if writes.matches(topic) => Ok(()),
        Action::Page => Ok(()),
        _ => Err(Rejection::new(StatusCode::FORBIDDEN, "forbidden", "it is not yours")),
    })
}

async fn hub(mover: Mover) -> Running {
    let mut config = mover.config(HubConfig::default()).await;
    config.authorizer = ann();
    Running::start(config).await
}

/// Subscribes to everything that is retained.
async fn subscribe(case: &Case, hub: &Running, filters: &str) -> Peer {
    case.subscribe(hub, filters, "&after=earliest&wait=0", "").await
}

#[test]
fn no_spelling_of_a_path_gives_access_to_topics_that_are_not_permitted() {
    const FORBIDDEN: [&str; 14] = [
        "users.ann.x,users.bob.secret",
        "users.ann.x%2Cusers.bob.secret",
        "users.ann.x%2cusers%2Ebob%2Esecret",
        "public.x,users.bob.%3E",
        "public.x%2Cusers.bob.%3E",
        "public.%3E,%3E",
        "%3E",
        "%2A.bob.secret",
        "*.*.secret",
        "users.*.secret",
        "users.%3E",
        "users.bob.secret",
        "%75sers.bob.secret",
        "users.ann,users.ann.x",
    ];
    every(async |case| {
        let hub = hub(case.mover).await;
        hub.publish("users.bob.secret", "the secret").await;
        for filters in FORBIDDEN {
            let rejection = subscribe(case, &hub, filters).await.rejection().await;
            assert_eq!(rejection, (403, "forbidden".to_owned()), "{filters}");
        }
        assert!(hub.hub.pool().is_empty());
        hub.stop().await;
    });
}

/// A path that becomes a topic only if it is decoded twice is not a topic.
#[test]
fn a_path_is_decoded_once() {
    every(async |case| {
        let hub = hub(case.mover).await;
        hub.publish("users.bob.secret", "the secret").await;
        for (filters, status, code) in [
            ("users.ann.x%252Cusers.bob.secret", 400, "bad_topic"),
            ("users.ann.x%252cusers.bob.%253E", 400, "bad_topic"),
            ("users.ann.x%00", 400, "bad_topic"),
            // The URL of a session is resolved before it is sent.
            if case.is_session() {
                ("users.ann.x/../users.bob.secret", 403, "forbidden")
            } else {
                ("users.ann.x/../users.bob.secret", 404, "not_found")
            },
            ("users.ann.x%2F..%2Fusers.bob.secret", 400, "bad_topic"),
        ] {
            let rejection = subscribe(case, &hub, filters).await.rejection().await;
            assert_eq!(rejection, (status, code.to_owned()), "{filters}");
        }
        hub.stop().await;
    });
}

#[test]
fn permitted_topics_are_served_for_every_spelling_of_the_path() {
    every(async |case| {
        let hub = hub(case.mover).await;
        for filters in
            ["users.ann.x", "users.ann.%3E,public.news", "users%2Eann%2Ex%2Cpublic.%3E", "public.*"]
        {
            subscribe(case, &hub, filters).await.accepted().await;
        }
        hub.stop().await;
    });
}

#[test]
fn the_permission_to_publish_depends_on_the_topic() {
    let post = |topic: &str| {
        format!("POST /topics/{topic} HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\n\r\nx")
    };
    every_mover(async |mover| {
        let hub = hub(mover).await;
        for (topic, status, code) in [
            ("users.bob.x", 403, "forbidden"),
            ("users%2Ebob%2Ex", 403, "forbidden"),
            ("public.x", 403, "forbidden"),
            ("users.ann.x,users.bob.x", 400, "bad_topic"),
            ("users.ann.%3E", 400, "bad_topic"),
        ] {
            let answer = Raw::request(hub.address, post(topic)).await;
            assert_eq!(answer.rejection(), (status, code.to_owned()), "{topic}");
        }
        assert_eq!(hub.hub.log().head().seq, 0);
        for topic in ["users.ann.x", "users%2Eann%2Ex"] {
            assert_eq!(Raw::request(hub.address, post(topic)).await.status, 200, "{topic}");
        }
        hub.stop().await;
    });
}

#[test]
fn every_resource_requires_permission_except_the_health_check() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.authorizer = Authorizer::from_fn(|request, action| {
            let named = match action {
                Action::Page => "page",
                Action::Metrics => "metrics",
                Action::Publish(topic) if *topic == topic_t() => "publish t",
                Action::Subscribe(filters) if filters.as_topic() == Some(topic_t()) => {
                    "subscribe t"
                }
                _ => "unknown",
            };
            let is_this = request.headers.get("x-only").is_some_and(|only| only == named);
            if is_this {
                return Ok(());
            }
            Err(Rejection::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                format!("this is {named}"),
            ))
        });
        let hub = Running::start(config).await;
        let as_page = "GET / HTTP/1.1\r\nHost: hub\r\nAccept: text/html\r\nX-Only: page\r\n\r\n";
        let html = Raw::request(hub.address, as_page).await.text();
        let mut resources: Vec<(String, &str)> = vec![
            ("GET /".to_owned(), "page"),
            ("HEAD /".to_owned(), "page"),
            ("GET /transports".to_owned(), "page"),
            ("GET /metrics".to_owned(), "metrics"),
            ("GET /topics/t?after=earliest&wait=0".to_owned(), "subscribe t"),
            ("HEAD /topics/t?after=earliest".to_owned(), "subscribe t"),
            ("POST /topics/t".to_owned(), "publish t"),
        ];
        resources.extend(files(&html).into_iter().map(|path| (format!("GET {path}"), "page")));
        for (line, name) in resources {
            let ask = async |headers: &str| {
                let head =
                    format!("{line} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{headers}");
                let mut raw = Raw::connect(hub.address).await;
                raw.send(format!("{head}Content-Length: 0\r\n\r\n")).await;
                raw.head().await.status
            };
            assert_eq!(ask("").await, 401, "{line}");
            assert_eq!(ask(&format!("X-Only: {name}\r\n")).await, 200, "{line} is {name}");
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(Raw::get(hub.address, path).await.status, 200, "{path}");
        }
        hub.stop().await;
    });
}

fn topic_t() -> Topic {
    "t".parse().unwrap()
}
