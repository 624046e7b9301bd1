//! A hub that decides by a token what a request may do. A program sends its token as a Bearer header, and a page as a cookie. An
//! `EventSource` or `WebSocket` of another origin can send neither, so it puts the token into the query:
//!
//! ```sh
//! cargo run -p tidings-examples --example access
//! curl -H 'Authorization: Bearer ann-7c1f9a' -d 'good morning' http://127.0.0.1:8080/topics/users.ann.inbox
//! curl -H 'Cookie: token=ann-7c1f9a' 'http://127.0.0.1:8080/topics/users.ann.*?after=earliest'
//! curl 'http://127.0.0.1:8080/topics/users.ann.inbox?after=earliest&access_token=ann-7c1f9a'
//! curl 'http://127.0.0.1:8080/topics/users.ann.inbox?after=earliest&access_token=bob-03e5d2'
//! ```

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use tidings::core::{Filter, Filters, Hub};
use tidings::server::{Access, Action, Config, run};
use tidings::transport::{Rejection, query};
use tokio::net::TcpListener;

/// Tokens and whose they are. A real program looks the token up among its sessions, or verifies its signature.
const TOKENS: [(&str, &str); 2] = [("ann-7c1f9a", "ann"), ("bob-03e5d2", "bob")];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut config = Config::new(Hub::default());
    config.access = Access::new(decide);
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    run(listener, config, async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

/// Everyone may follow `public.>`, and a user may follow and publish all that is below `users.NAME`.
fn decide(request: &Parts, action: Action<'_>) -> Result<(), Rejection> {
    let user = user(request);
    let own = user.map(|name| format!("users.{name}.>"));
    let readable: Filters = match &own {
        Some(own) => format!("public.>,{own}").parse()?,
        None => "public.>".parse()?,
    };
    let is_allowed = match (action, own) {
        (Action::Page, _) => true,
        // One request can name many filters. All that they match has to be readable.
        (Action::Subscribe(filters), _) => readable.contains(filters),
        (Action::Publish(topic), Some(own)) => own.parse::<Filter>()?.matches(topic),
        _ => false,
    };
    match user {
        _ if is_allowed => Ok(()),
        Some(name) => {
            let message = format!("{name} may use users.{name}.> and read public.>");
            Err(Rejection::new(StatusCode::FORBIDDEN, "forbidden", message))
        }
        None => {
            let message = "send a token: Authorization: Bearer TOKEN";
            Err(Rejection::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
        }
    }
}

fn user(request: &Parts) -> Option<&'static str> {
    let bearer = || {
        let (scheme, token) =
            request.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(Cow::Borrowed(token.trim()))
    };
    // A browser also sends the cookie for a foreign page. The hub's origin policy keeps those out.
    let cookie = || {
        let lines = request.headers.get_all(header::COOKIE).iter().flat_map(|line| line.to_str());
        let mut pairs =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| name.trim() == "token").map(|(_, token)| Cow::Borrowed(token.trim()))
    };
    // A URL ends up in the logs of proxies: give out such tokens for a short time.
    let token = bearer().or_else(cookie).or_else(|| query(request, "access_token"))?;
    TOKENS.iter().find(|(known, _)| *known == token).map(|(_, name)| *name)
}
