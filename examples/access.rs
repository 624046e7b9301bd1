//! A server that authorizes requests by a token. Programs send the token as a Bearer header, and pages send it as a
//! cookie. An `EventSource` or `WebSocket` of another origin can send neither, so it sends the token in the query:
//!
//! ```sh
//! cargo run -p tidings-examples --example access
//! curl -H 'Authorization: Bearer ann-7c1f9a' -d 'good morning' http://127.0.0.1:8080/topics/users.ann.inbox
//! curl -H 'Cookie: token=ann-7c1f9a' 'http://127.0.0.1:8080/topics/users.ann.*?after=earliest'
//! curl 'http://127.0.0.1:8080/topics/users.ann.inbox?after=earliest&access_token=ann-7c1f9a'
//! curl 'http://127.0.0.1:8080/topics/users.ann.inbox?after=earliest&access_token=bob-03e5d2'
//! ```

use http::request::Parts;
use tidings::core::{Filter, Filters, Hub};
use tidings::server::{Action, Authorizer, Server};
use tidings::transport::{Rejection, token};

/// Tokens, each with its user. A real program looks up the token in its sessions, or verifies its signature.
const TOKENS: [(&str, &str); 2] = [("ann-7c1f9a", "ann"), ("bob-03e5d2", "bob")];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::builder(Hub::default())
        .configure(|config| config.authorizer = Authorizer::from_fn(decide));
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = server.bind(address).await?;
    println!("listening on http://{}", server.local_addrs()[0]);
    server.serve(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

/// Allows every client to subscribe to `public.>`, and each user to subscribe and publish to `users.NAME.>`.
fn decide(request: &Parts, action: Action<'_>) -> Result<(), Rejection> {
    let token = token(request, "token");
    let user = token.and_then(|token| TOKENS.iter().find(|(known, _)| *known == token));
    let own = user.map(|(_, name)| format!("users.{name}.>"));
    let readable: Filters = match &own {
        Some(own) => format!("public.>,{own}").parse()?,
        None => "public.>".parse()?,
    };
    let is_allowed = match (action, &own) {
        (Action::Page, _) => true,
        // A request can contain many filters. All topics that they match must be readable.
        (Action::Subscribe(filters), _) => readable.contains(filters),
        (Action::Publish(topic), Some(own)) => own.parse::<Filter>()?.matches(topic),
        _ => false,
    };
    match own {
        _ if is_allowed => Ok(()),
        Some(own) => Err(Rejection::forbidden(format!("use {own}, and read public.>"))),
        None => Err(Rejection::unauthorized("send a token: Authorization: Bearer TOKEN")),
    }
}
