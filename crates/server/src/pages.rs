//! The live page, the help text, and `/transports`.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use serde_json::json;
use tidings_transport::ListenerKind;

use crate::config::Config;
use crate::listener::ListenerRef;
use crate::quic::Offer;
use crate::response::text;

/// `HTTP` and `WS` stand for the schemes.
const HELP: &str = "tidings: one notification stream by every realtime transport

  publish         curl -d hello            HTTP://HOST/topics/greetings
  server-sent     curl -N -H 'Accept: text/event-stream' HTTP://HOST/topics/greetings
  long-polling    curl                     'HTTP://HOST/topics/greetings?after=earliest'
  WebSocket       new WebSocket('WS://HOST/topics/greetings')

  /client.js  /webtransport.js  /transports  /healthz  /readyz  /metrics
";

const HELP_OF_PAGE: &str = "
In a browser this address is a page that shows every transport side by side.
";

const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' \
    stroke-width='2' stroke-linecap='round'><path stroke='#2f6db3' d='M2 4h12'/>\
    <path stroke='#d9792b' d='M2 8h12'/><path stroke='#2c9077' d='M2 12h12'/></svg>\n";

/// The live page for a browser, otherwise the help text with the schemes of the listener that accepted the request.
pub(crate) fn front(request: &Parts, config: &Config, listener: ListenerRef) -> Response<Bytes> {
    page(request, config).unwrap_or_else(|| {
        let of_page = if config.live_page { HELP_OF_PAGE } else { "" };
        let (http, websocket) = match listener.kind {
            ListenerKind::Tls => ("https://", "wss://"),
            _ => ("http://", "ws://"),
        };
        let help = HELP.replace("HTTP://", http).replace("WS://", websocket);
        text("text/plain; charset=utf-8", help + of_page)
    })
}

/// The icon of the live page, for browsers that request it at the usual address.
pub(crate) fn icon() -> Response<Bytes> {
    let mut response = text("image/svg+xml", ICON);
    let a_day = HeaderValue::from_static("public, max-age=86400");
    response.headers_mut().insert(header::CACHE_CONTROL, a_day);
    response
}

/// The live page or one of its files. `None` if there is no such file or the live page is disabled.
pub(crate) fn page(request: &Parts, config: &Config) -> Option<Response<Bytes>> {
    if config.live_page { tidings_live_page::page(request) } else { None }
}

/// The transports, the demo topic, the heartbeat interval and the clock of this server as JSON. `listener` is the one
/// that accepted the request.
pub(crate) fn transports(config: &Config, offer: &Offer, listener: ListenerRef) -> Response<Bytes> {
    let names = config.transports.iter().map(|transport| transport.name());
    let names: Vec<_> = names.filter(|name| offer.has(name)).collect();
    let mut description = json!({
        "transports": names,
        "demo": config.demo.as_ref().map(|topic| topic.as_str()),
        "heartbeat": u64::try_from(config.hub.heartbeat().interval.as_millis()).unwrap_or(u64::MAX),
        "now": clock(),
    });
    offer.describe(&mut description, listener.endpoint);
    text("application/json", format!("{description}\n"))
}

/// Returns the time of the server in milliseconds since 1970, with a resolution of a microsecond. The response to
/// `GET /transports` contains it. A page can compute the latency of a notification that contains the time by this clock
/// at which it was sent.
pub fn clock() -> f64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tidings_core::Hub;

    use super::*;

    #[test]
    fn the_help_text_has_the_schemes_of_the_listener() {
        let (request, ()) = Request::new(()).into_parts();
        for (listener, expected, other) in [
            (ListenerKind::Tls, [" https://HOST/", "'wss://HOST/"], ["http://", "ws://"]),
            (ListenerKind::Loopback, [" http://HOST/", "'ws://HOST/"], ["https://", "wss://"]),
            (ListenerKind::Network, [" http://HOST/", "'ws://HOST/"], ["https://", "wss://"]),
        ] {
            let help = front(&request, &Config::new(Hub::default()), listener.into());
            let help = String::from_utf8(help.into_body().to_vec()).unwrap();
            assert!(expected.iter().all(|scheme| help.contains(scheme)), "{help}");
            assert!(!other.iter().any(|scheme| help.contains(scheme)), "{help}");
        }
    }
}
