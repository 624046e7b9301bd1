//! A publish that is repeated with the same key is stored once.

use tidings_core::{Kind, Position};

use crate::support::{Raw, every_also_mounted, every_mover_also_mounted};

fn post(key: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /topics/t HTTP/1.1\r\nHost: hub\r\nIdempotency-Key: {key}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn a_publish_with_a_known_key_returns_the_first_id() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower =
            hub.follow(&case.listed, "t", Position::After(hub.hub.log().head())).await;
        let mut publisher = hub.publisher("t").await;
        let (one, other) = ("key-1".parse().unwrap(), "key-2".parse().unwrap());
        let first = publisher.publish_once(Kind::Text, "first".into(), &one).await.unwrap();
        let again = publisher.publish_once(Kind::Text, "first".into(), &one).await.unwrap();
        let second = publisher.publish_once(Kind::Text, "second".into(), &other).await.unwrap();
        assert_eq!((again, second.seq), (first, first.seq + 1));
        assert_eq!(follower.text().await, (first.seq, "first".to_owned()));
        assert_eq!(follower.text().await, (second.seq, "second".to_owned()));
        drop((follower, publisher));
        hub.stop().await;
    });
}

#[test]
fn quotes_around_a_key_are_ignored_and_an_invalid_key_is_rejected() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let ask = async |key: &str| Raw::request(hub.address, post(key, "x")).await;
        let (bare, quoted) = (ask("a-key").await.json(), ask("\"a-key\"").await.json());
        assert_eq!(bare["id"], quoted["id"]);
        for none in ["", "\"\"", "two words", &"x".repeat(256)] {
            assert_eq!(
                ask(none).await.rejection(),
                (400, "bad_idempotency_key".to_owned()),
                "{none}"
            );
        }
        hub.stop().await;
    });
}
