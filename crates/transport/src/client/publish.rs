//! Publishes with a `POST` to the topic, which is the same for all transports.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde::Deserialize;
use tidings_core::{Headers, Id, IdempotencyKey, Kind};

use super::{ClientError, Http, SendError, Target, request};
use crate::headers;

/// The largest response to a publish that is accepted, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// Publishes to one topic, over a connection that is kept alive.
#[derive(Debug)]
pub struct Publisher {
    pub(super) target: Target,
    pub(super) http: Http,
}

#[derive(Deserialize)]
struct Published {
    id: Id,
}

impl Publisher {
    /// Connects. The URL of the target is that of the topic, such as `http://127.0.0.1:8080/topics/orders.new`. The
    /// position of the target is ignored.
    ///
    /// # Errors
    /// Any error of [`connect`](super::connect).
    pub async fn connect(target: Target) -> Result<Self, ClientError> {
        let http = Http::connect(&target).await?;
        Ok(Self { target, http })
    }

    /// Publishes a notification, waits until the server has stored it, and returns its id. Text must be UTF-8.
    ///
    /// If the connection was closed since the last request, this connects again, but only if no byte of the new request
    /// was sent, or the server has refused its HTTP/2 stream. So a notification is never published twice.
    ///
    /// Not cancel safe: if the future is dropped, the notification may or may not be published.
    ///
    /// # Errors
    /// - [`ClientError::Rejected`] with the server's message if the server rejects the request.
    /// - [`ClientError::Broken`] if the connection breaks, and [`ClientError::TimedOut`] if the server does not respond
    ///   in time. The notification may or may not be published.
    /// - [`ClientError::Protocol`] for a malformed response.
    /// - The errors of [`connect`](super::connect), if this connects again.
    pub async fn publish(&mut self, kind: Kind, payload: Bytes) -> Result<Id, ClientError> {
        let request = self.request(kind, payload)?;
        self.send(request).await
    }

    /// Publishes with a key, so that the call can be repeated. While the key is in the server's dedup window, another
    /// publish with it stores nothing and returns the id of the first. Because of that, it may also be repeated after
    /// the future is dropped.
    ///
    /// # Errors
    /// Any error of [`publish`](Self::publish). The call can be repeated unless the error [is
    /// final](ClientError::is_final).
    pub async fn publish_once(
        &mut self,
        kind: Kind,
        payload: Bytes,
        key: &IdempotencyKey,
    ) -> Result<Id, ClientError> {
        let mut request = self.request(kind, payload)?;
        add_key(&mut request, key);
        self.send(request).await
    }

    /// Publishes with headers, and optionally with a key.
    ///
    /// A server does not keep the content types `text/plain`, `application/x-www-form-urlencoded` and
    /// `application/octet-stream`, because they contain no information besides the kind.
    ///
    /// # Errors
    /// Any error of [`publish`](Self::publish), or with a key any error of [`publish_once`](Self::publish_once).
    pub async fn publish_with_headers(
        &mut self,
        kind: Kind,
        payload: Bytes,
        headers: &Headers,
        key: Option<&IdempotencyKey>,
    ) -> Result<Id, ClientError> {
        let mut request = self.request(kind, payload)?;
        add_headers(&mut request, kind, headers);
        if let Some(key) = key {
            add_key(&mut request, key);
        }
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Id, ClientError> {
        let response = match self.http.try_send(request).await {
            Ok(response) => response,
            Err(SendError { unsent: Some(unsent), .. }) => {
                self.http = Http::connect(&self.target).await?;
                self.http.send(*unsent).await?
            }
            Err(SendError { error, unsent: None }) => return Err(error),
        };
        let body = self.http.whole(response.into_body(), MAX_RESPONSE).await?;
        let published: Published = serde_json::from_slice(&body).map_err(|error| {
            ClientError::Protocol { transport: "response to a publish", problem: error.to_string() }
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

fn add_key(request: &mut Request<Full<Bytes>>, key: &IdempotencyKey) {
    // A key is visible ASCII, so it is a valid value of a header.
    if let Ok(value) = HeaderValue::from_str(key.as_str()) {
        request.headers_mut().insert("idempotency-key", value);
    }
}

fn add_headers(request: &mut Request<Full<Bytes>>, kind: Kind, headers: &Headers) {
    let lines = request.headers_mut();
    for (header, text) in headers.iter() {
        // Headers are ASCII without line endings, so this does not fail.
        if let Ok(value) = HeaderValue::from_str(&text) {
            lines.insert(headers::name(header), value);
        }
    }
    if headers.content_type().is_some() {
        let kind = match kind {
            Kind::Text => "text",
            Kind::Binary => "binary",
        };
        lines.insert(headers::KIND, HeaderValue::from_static(kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::server;

    const ONE: &[&str] = &["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"id\":\"e-1\"}"];
    const TWO: &[&str] = &["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"id\":\"e-2\"}"];
    const HUNG_UP: &[&str] = &[];

    #[tokio::test]
    async fn text_and_binary_are_published_over_one_connection() {
        let (target, requests) = server(&[&[ONE, TWO]]).await;
        let mut publisher = Publisher::connect(target).await.unwrap();
        let one = publisher.publish(Kind::Text, "seven teapots".into()).await.unwrap();
        let two = publisher.publish(Kind::Binary, Bytes::from_static(b"\0")).await.unwrap();
        assert_eq!((one.seq, two.seq), (1, 2));
        let requests = requests.await.unwrap();
        assert!(requests[0].starts_with("POST /topics/a HTTP/1.1\r\n"), "{requests:?}");
        assert!(requests[0].contains("content-type: text/plain; charset=utf-8\r\n"));
        assert!(requests[0].ends_with("\r\n\r\nseven teapots"));
        assert!(requests[1].contains("content-type: application/octet-stream\r\n"));
        assert!(requests[1].ends_with("\r\n\r\n\0"));
    }

    #[tokio::test]
    async fn a_key_is_sent_with_the_request() {
        let (target, requests) = server(&[&[ONE]]).await;
        let mut publisher = Publisher::connect(target).await.unwrap();
        let key = "k-1".parse().unwrap();
        publisher.publish_once(Kind::Text, "one".into(), &key).await.unwrap();
        assert!(requests.await.unwrap()[0].contains("idempotency-key: k-1\r\n"));
    }

    #[tokio::test]
    async fn headers_are_sent_with_the_request_and_a_content_type_with_the_kind() {
        let (target, requests) = server(&[&[ONE, TWO]]).await;
        let mut publisher = Publisher::connect(target).await.unwrap();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = Headers::new().with_event("created").unwrap().with_time(7).unwrap();
        let headers = headers.with_trace(parent, Some("a=1")).unwrap();
        publisher.publish_with_headers(Kind::Text, "a".into(), &headers, None).await.unwrap();
        let image = Headers::new().with_content_type("image/png").unwrap();
        let key = "k-1".parse().unwrap();
        publisher.publish_with_headers(Kind::Binary, "b".into(), &image, Some(&key)).await.unwrap();
        let requests = requests.await.unwrap();
        for (request, lines) in requests.iter().zip([
            &[
                "content-type: text/plain; charset=utf-8",
                "tidings-event: created",
                "tidings-time: 7",
                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "tracestate: a=1",
            ][..],
            &["content-type: image/png", "tidings-kind: binary", "idempotency-key: k-1"],
        ]) {
            for line in lines {
                assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
            }
        }
        assert!(!requests[0].contains("tidings-kind"), "{requests:?}");
    }

    #[tokio::test]
    async fn it_connects_again_if_the_connection_was_closed() {
        let (target, requests) = server(&[&[ONE], &[TWO]]).await;
        let mut publisher = Publisher::connect(target).await.unwrap();
        publisher.publish(Kind::Text, "one".into()).await.unwrap();
        while publisher.http.check_open().await {
            tokio::task::yield_now().await;
        }
        assert_eq!(publisher.publish(Kind::Text, "two".into()).await.unwrap().seq, 2);
        assert!(requests.await.unwrap()[1].ends_with("\r\n\r\ntwo"));
    }

    #[tokio::test]
    async fn a_request_that_was_sent_is_not_sent_again() {
        let (target, requests) = server(&[&[ONE, HUNG_UP], &[TWO]]).await;
        let mut publisher = Publisher::connect(target).await.unwrap();
        publisher.publish(Kind::Text, "one".into()).await.unwrap();
        let error = publisher.publish(Kind::Text, "two".into()).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error}");
        // The next one goes over a new connection.
        assert_eq!(publisher.publish(Kind::Text, "three".into()).await.unwrap().seq, 2);
        let bodies = requests.await.unwrap();
        let bodies = bodies.iter().map(|request| request.rsplit("\r\n\r\n").next().unwrap());
        assert_eq!(bodies.collect::<Vec<_>>(), ["one", "two", "three"]);
    }
}
