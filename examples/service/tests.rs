//! Tests of the example `service`. Time is paused, so an hour takes no time.

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::*;

async fn subscribe(app: &Router, filters: &str, token: &str) -> http::Response<Body> {
    let request = Request::get(format!("/events/{filters}?access_token={token}"))
        .header("accept", "text/event-stream")
        .body(Body::empty());
    app.clone().oneshot(request.unwrap()).await.unwrap()
}

/// Reads until a line has this prefix, and returns the rest of the line.
async fn line(events: &mut BodyDataStream, start: &str) -> String {
    loop {
        let frame = events.next().await.expect("the stream has ended").unwrap();
        let text = String::from_utf8(frame.to_vec()).unwrap();
        if let Some(found) = text.lines().find_map(|line| line.strip_prefix(start)) {
            return found.to_owned();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_reads_her_own_topics_until_her_token_expires() {
    let hub = Hub::default();
    let app = app(&hub);
    assert_eq!(subscribe(&app, "users.bob.*", "ann-7c1f9a").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(subscribe(&app, "public.*", "eve").await.status(), StatusCode::UNAUTHORIZED);

    let begun = Instant::now();
    let response = subscribe(&app, "users.ann.*,public.*", "ann-7c1f9a").await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut events = response.into_body().into_data_stream();
    let notify = Request::post("/notify/ann").body(Body::from("lunch is ready")).unwrap();
    assert_eq!(app.oneshot(notify).await.unwrap().status(), StatusCode::OK);
    assert_eq!(line(&mut events, "data: ").await, "lunch is ready");
    assert_eq!(line(&mut events, "event: ").await, "goodbye");
    assert_eq!(begun.elapsed().as_secs(), 3600);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn others_see_a_user_come_and_be_disconnected() {
    let hub = Hub::default();
    let announcing = tokio::spawn(announce(hub.clone()));
    let app = app(&hub);
    let response = subscribe(&app, "public.*", "bob-03e5d2").await;
    let mut bob = response.into_body().into_data_stream();
    assert_eq!(line(&mut bob, "data: ").await, "bob is here");
    let ann = subscribe(&app, "public.*", "ann-7c1f9a").await;
    assert_eq!(line(&mut bob, "data: ").await, "ann is here");
    assert_eq!(disconnect(State(hub.clone()), Path("ann".to_owned())).await, "1");
    let mut ann = ann.into_body().into_data_stream();
    assert_eq!(line(&mut ann, "event: ").await, "goodbye");
    drop(ann);
    assert_eq!(line(&mut bob, "data: ").await, "ann has left");
    assert!(!announcing.is_finished());
}

#[tokio::test]
async fn a_page_of_the_application_may_send_a_token_and_resume() {
    let request = Request::options("/events/public.*")
        .header("origin", APP)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization,last-event-id")
        .body(Body::empty());
    let response = app(&Hub::default()).oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], APP);
    let allowed = &response.headers()["access-control-allow-headers"];
    assert_eq!(allowed, "authorization,last-event-id");
}
