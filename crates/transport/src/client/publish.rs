//! Publishing, which is the same for every transport: `POST` to the topic.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde::Deserialize;
use tidings_core::{Id, Kind, Position};
use url::Url;

use super::{ClientError, Http, Meter, Target, request};

/// The longest answer to a publish: an id and some words around it.
const ANSWER: usize = 64 * 1024;

/// Publishes to one topic, over one connection that is kept alive.
#[derive(Debug)]
pub struct Publisher {
    target: Target,
    http: Http,
}

#[derive(Deserialize)]
struct Published {
    id: Id,
}

impl Publisher {
    /// Connects; `url` is the topic's resource, such as `http://127.0.0.1:8080/topics/orders.new`.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn connect(url: Url, meter: Arc<Meter>) -> Result<Self, ClientError> {
        let target = Target { url, position: Position::Live, meter, local: None };
        let http = Http::connect(&target).await?;
        Ok(Self { target, http })
    }

    /// Publishes, and waits until the hub has accepted it. Text has to be UTF-8.
    ///
    /// A kept connection that had died is made anew, but only where not a byte of this request had been
    /// sent: a notification is never published twice in silence. Not cancel safe: where the future is
    /// dropped, the hub may have accepted it or not.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the hub's words; [`ClientError::Broken`] where the connection broke,
    /// and whether the hub accepted it cannot be known.
    pub async fn publish(&mut self, kind: Kind, payload: Bytes) -> Result<Id, ClientError> {
        let request = self.request(kind, payload)?;
        let response = match self.http.try_send(request).await {
            Ok(response) => response,
            Err((_, Some(unsent))) => {
                self.http = Http::connect(&self.target).await?;
                self.http.send(unsent).await?
            }
            Err((error, None)) => return Err(error),
        };
        let answer = self.http.whole(response.into_body(), ANSWER).await?;
        let published: Published = serde_json::from_slice(&answer).map_err(|error| {
            ClientError::Protocol { transport: "answer to a publish", problem: error.to_string() }
        })?;
        Ok(published.id)
    }

    fn request(&self, kind: Kind, payload: Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = request(&self.target.url)?;
        *request.method_mut() = Method::POST;
        let content_type = match kind {
            Kind::Text => "text/plain; charset=utf-8",
            Kind::Binary => "application/octet-stream",
        };
        let content_type = HeaderValue::from_static(content_type);
        request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        *request.body_mut() = Full::new(payload);
        Ok(request)
    }
}
