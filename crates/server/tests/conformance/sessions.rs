//! Sessions: an asynchronous authorizer, and sessions that expire or are ended by the application.

use std::time::Duration;

use http::StatusCode;
use http::request::Parts;
use tidings_core::{HubConfig, Position, Reason, Session};
use tidings_server::{Action, Authorize, Authorizer};
use tidings_transport::client::Arrival;
use tidings_transport::{Rejection, query};
use tokio::time::{Instant, sleep};

use crate::support::{
    Case, Raw, Running, eventually, every_also_mounted, every_mover_also_mounted,
};

#[derive(Clone, Debug, PartialEq)]
struct User {
    name: String,
    expires_at: Option<Instant>,
}

impl Session for User {
    fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }
}

/// Permits requests with a name, after a while.
struct Names {
    /// How long a session lasts.
    lifetime: Option<Duration>,
}

impl Authorize for Names {
    type Session = User;

    async fn authorize(&self, request: &Parts, _: Action<'_>) -> Result<User, Rejection> {
        sleep(Duration::from_millis(5)).await;
        let Some(name) = query(request, "name") else {
            return Err(Rejection::new(StatusCode::UNAUTHORIZED, "unauthorized", "give a name"));
        };
        let expires_at = self.lifetime.map(|lifetime| Instant::now() + lifetime);
        Ok(User { name: name.into_owned(), expires_at })
    }
}

async fn hub(case: &Case, lifetime: Option<Duration>) -> Running {
    let mut config = case.config(HubConfig::default()).await;
    config.authorizer = Authorizer::new(Names { lifetime });
    Running::start(config).await
}

#[test]
fn an_asynchronous_authorizer_gives_each_client_its_session() {
    every_also_mounted(async |case| {
        let hub = hub(case, None).await;
        let mut follower = hub.follow_at_once(&case.listed, "t?name=ann", Position::Earliest).await;
        hub.publish("t", "for ann").await;
        assert_eq!(follower.text().await.1, "for ann");
        eventually("ann has a seat", async || {
            let sessions = hub.hub.pool().sessions::<User>();
            sessions.iter().any(|(_, user)| user.name == "ann")
        })
        .await;
        drop(follower);
        let nobody = hub.try_follow(&case.listed, "t", Position::Live).await;
        assert!(nobody.is_err(), "it has no name");
        hub.stop().await;
    });
}

#[test]
fn pipelined_requests_wait_for_the_authorizer_in_their_order() {
    every_mover_also_mounted(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.authorizer = Authorizer::new(Names { lifetime: None });
        let hub = Running::start(config).await;
        hub.publish("t", "waits").await;
        // An unread body would end the connection.
        let poll = |query: &str| {
            format!("GET /topics/t?after=earliest&wait=0{query} HTTP/1.1\r\nHost: hub\r\n\r\n")
        };
        let mut raw = Raw::connect(hub.address).await;
        raw.send(["&name=ann", "", "&name=bob", "", "&name=ann"].map(poll).concat()).await;
        let mut statuses = Vec::new();
        for _ in 0..5 {
            statuses.push(raw.answer().await.status);
        }
        assert_eq!(statuses, [200, 401, 200, 401, 200]);
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn a_session_that_expires_ends_with_a_goodbye_and_frees_its_seat() {
    every_also_mounted(async |case| {
        let hub = hub(case, Some(Duration::from_millis(300))).await;
        let after = Position::After(hub.hub.log().head());
        // Each poll is authorized again and has a new session.
        let mut follower = hub.follow_at_once(&case.listed, "t?name=ann", after).await;
        let Arrival::Goodbye(goodbye) = follower.news().await else { panic!("no goodbye") };
        assert_eq!(goodbye.code, Some(Reason::NotAllowed.code()));
        eventually("the seat is free", async || hub.hub.pool().is_empty()).await;
        assert!(hub.hub.pool().sessions::<User>().is_empty());
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_disconnected_user_leaves_at_once_and_others_stay() {
    every_also_mounted(async |case| {
        let hub = hub(case, None).await;
        let after = Position::After(hub.hub.log().head());
        let mut ann = hub.follow_at_once(&case.listed, "t?name=ann", after).await;
        let mut bob = hub.follow_at_once(&case.listed, "t?name=bob", after).await;
        eventually("both have a seat", async || hub.hub.pool().sessions::<User>().len() == 2).await;
        assert_eq!(hub.hub.pool().disconnect(|user: &User| user.name == "ann"), 1);
        hub.publish("t", "not for ann").await;
        let Arrival::Goodbye(goodbye) = ann.news().await else { panic!("no goodbye") };
        assert_eq!(goodbye.code, Some(Reason::NotAllowed.code()));
        assert_eq!(bob.text().await.1, "not for ann");
        drop((ann, bob));
        hub.stop().await;
    });
}
