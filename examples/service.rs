//! A service with users: any transport, presence, and sessions that expire or are ended by the operator.
//!
//! ```sh
//! cargo run -p tidings-examples --example service
//! curl -NH 'Accept: text/event-stream' -H 'Authorization: Bearer ann-7c1f9a' '127.0.0.1:8080/events/users.ann.*,public.*'
//! curl -d 'lunch is ready' 127.0.0.1:8080/notify/ann; curl -X POST 127.0.0.1:8080/disconnect/ann
//! ```

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Router, routing::post};
use http::{HeaderValue, header::RETRY_AFTER, request::Parts};
use tidings::axum::{Action, Authorize, Mount, Origins, Rejection, router, serve, token};
use tidings::core::{Filters, Presence, PresenceChange, Session};
use tidings::{Hub, Notification, long_polling::LongPolling, sse::Sse, websocket::WebSocket};
use tokio::{net::TcpListener, time::Instant};
use tower_http::cors::{AllowHeaders, CorsLayer};
use tower_http::{compression::CompressionLayer, trace::TraceLayer};

/// The origin whose pages may use the service, besides the service's own origin.
const APP: &str = "https://app.example";
/// Tokens, each with its user. A real program looks up the token in its sessions, or verifies its signature.
const TOKENS: [(&str, &str); 2] = [("ann-7c1f9a", "ann"), ("bob-03e5d2", "bob")];
struct User(&'static str, Instant);
struct Users;

impl Session for User {
    fn expires_at(&self) -> Option<Instant> {
        Some(self.1)
    }
}

impl Authorize for Users {
    type Session = User;
    async fn authorize(&self, request: &Parts, action: Action<'_>) -> Result<User, Rejection> {
        let token = token(request, "token").ok_or_else(|| Rejection::unauthorized("no token"))?;
        let user = TOKENS.iter().find(|(known, _)| *known == token);
        let (_, name) = user.ok_or_else(|| Rejection::unauthorized("the token is not valid"))?;
        let readable: Filters = format!("public.>,users.{name}.>").parse()?;
        if !matches!(action, Action::Subscribe(filters) if readable.contains(filters)) {
            return Err(Rejection::forbidden(format!("{name} may read {readable}")));
        }
        Ok(User(name, Instant::now() + Duration::from_secs(3600)))
    }
}

fn app(hub: &Hub) -> Router {
    let cors = CorsLayer::new().allow_origin(HeaderValue::from_static(APP));
    let cors = cors.allow_headers(AllowHeaders::mirror_request()).expose_headers([RETRY_AFTER]);
    let mount = Mount::new(hub.clone()).authorize(Users).transport(WebSocket::default());
    let mount = mount.origins(Origins::Listed(vec![APP.to_owned()])).transport(Sse::default());
    Router::new()
        .nest("/events", router(mount.transport(LongPolling::default())))
        .route("/notify/{name}", post(notify))
        .route("/disconnect/{name}", post(disconnect))
        .with_state(hub.clone())
        .layer((TraceLayer::new_for_http(), cors, CompressionLayer::new()))
}

// This route and the next are for operators. A proxy must reject them for other clients.
async fn notify(hub: State<Hub>, name: Path<String>, text: String) -> Result<String, Rejection> {
    let topic = format!("users.{}.inbox", *name).parse()?;
    Ok(hub.publish(Notification::text(topic, text)).await?.to_string())
}

async fn disconnect(hub: State<Hub>, name: Path<String>) -> String {
    hub.pool().disconnect(|user: &User| user.0 == *name).to_string()
}

/// Publishes which users join and leave.
async fn announce(hub: Hub) -> anyhow::Result<()> {
    let mut presence = Presence::new(hub.pool(), Duration::from_secs(10), |user: &User| user.0);
    while let Some(change) = presence.next().await {
        let text = match change {
            PresenceChange::Joined(user) => format!("{} is here", user.0),
            PresenceChange::Left(user) => format!("{} has left", user.0),
        };
        hub.publish(Notification::text("public.presence".parse()?, text)).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let hub = Hub::default();
    tokio::spawn(announce(hub.clone()));
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(serve(listener, app(&hub), hub, async { drop(tokio::signal::ctrl_c().await) }).await?)
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
