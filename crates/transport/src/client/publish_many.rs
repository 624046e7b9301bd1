//! Publishes many notifications in one request, with a `POST` to the URL of all topics.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use http_body_util::Full;
use serde::Deserialize;
use tidings_core::Id;

use super::{ClientError, Http, Publisher, SendError, request};
use crate::publish_many::MEDIA;

/// The name of the response in errors.
const RESPONSE: &str = "response to a publish of many";

/// The largest response that is accepted, in bytes. It has a line for each notification.
const MAX_RESPONSE: usize = 1 << 20;

/// How long a server may publish before it responds: 30 s for all notifications, and its deadline for one.
const LONGEST: Duration = Duration::from_secs(40);

/// The outcome of publishing many notifications.
#[derive(Debug)]
#[must_use = "some notifications may not be published"]
pub struct PublishedMany {
    /// The ids of the notifications that were stored, in the order of their lines.
    pub ids: Vec<Id>,
    /// The error of the next notification, or `None` if all were stored. The notifications after it were not published.
    pub failed: Option<ClientError>,
}

#[derive(Deserialize)]
struct Line {
    id: Option<Id>,
}

impl Publisher {
    /// Publishes many notifications in one request, each with its topic. The URL of this publisher must be that of
    /// all topics, such as `http://127.0.0.1:8080/topics`.
    ///
    /// Each line is a JSON object such as `{"topic":"orders.new","data":"text"}`, or with `"data_base64"` for a binary
    /// payload. It may have `"headers"`, and a `"key"`: a notification that is sent again with its key is not stored
    /// twice. A request may have at most [`MAX_LINES`](crate::PublishMany::MAX_LINES) notifications, and as many bytes
    /// as the server accepts for one payload.
    ///
    /// If the connection was closed since the last request, this connects again, as [`publish`](Self::publish) does.
    ///
    /// Not cancel safe: if the future is dropped, some notifications may be published and others not.
    ///
    /// # Errors
    /// - [`ClientError::Rejected`] for a line that is malformed or not allowed. In this case nothing was published.
    /// - [`ClientError::Protocol`] if the response is not that of a server to many notifications. At the URL of one
    ///   topic, all lines are then published as one notification.
    /// - The other errors of [`publish`](Self::publish). Some notifications may have been published.
    pub async fn publish_many(&mut self, lines: Bytes) -> Result<PublishedMany, ClientError> {
        let mut post = request(&self.target.url)?;
        *post.method_mut() = Method::POST;
        post.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        *post.body_mut() = Full::new(lines);
        let response = match self.http.try_send_for(post, LONGEST, MEDIA).await {
            Err(SendError { unsent: Some(unsent), .. }) => {
                self.http = Http::connect(&self.target).await?;
                self.http.try_send_for(*unsent, LONGEST, MEDIA).await
            }
            outcome => outcome,
        };
        let (head, body) = response.map_err(|failed| failed.error)?.into_parts();
        let body = self.http.whole(body, MAX_RESPONSE).await?;
        if head.headers.get(header::CONTENT_TYPE).is_none_or(|media| media != MEDIA) {
            // At the URL of one topic, a server publishes all lines as one notification.
            let problem =
                format!("not {MEDIA}: is this the URL of all topics, which ends before the name?");
            return Err(ClientError::Protocol { transport: RESPONSE, problem });
        }
        let mut ids = Vec::new();
        for line in body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let published: Line = serde_json::from_slice(line).map_err(|error| {
                let problem = error.to_string();
                ClientError::Protocol { transport: RESPONSE, problem }
            })?;
            match published.id {
                Some(id) => ids.push(id),
                None => {
                    let failed = Some(self.http.rejected(&head, line));
                    return Ok(PublishedMany { ids, failed });
                }
            }
        }
        Ok(PublishedMany { ids, failed: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::server;

    const BOTH: &[&str] = &[
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 26\r\n\r\n",
        "{\"id\":\"e-1\"}\n{\"id\":\"e-2\"}\n",
    ];
    const ONE: &[&str] = &[
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/x-ndjson\r\nRetry-After: 1\r\n\
         Content-Length: 147\r\n\r\n",
        "{\"id\":\"e-3\"}\n{\"error\":{\"code\":\"unavailable\",\"message\":\"line 2: it is away\"}}\n\
         {\"error\":{\"code\":\"not_published\",\"message\":\"line 2 failed, send it\"}}\n",
    ];
    const NONE: &[&str] = &[
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 58\r\n\r\n",
        "{\"error\":{\"code\":\"bad_line\",\"message\":\"line 2: not JSON\"}}",
    ];
    const TOPIC: &[&str] = &[
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n",
        "{\"id\":\"e-4\"}",
    ];
    const PAGE: &[&str] = &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"];

    #[tokio::test]
    async fn the_ids_of_the_stored_notifications_are_returned_with_the_error_of_the_next() {
        let (target, requests) = server(&[&[BOTH, ONE, NONE, TOPIC, PAGE]]).await;
        let mut publisher = Publisher::connect(target).await.unwrap();
        let lines = Bytes::from_static(b"{\"topic\":\"a\",\"data\":\"\"}\n");
        let both = publisher.publish_many(lines.clone()).await.unwrap();
        assert_eq!(both.ids, ["e-1".parse().unwrap(), "e-2".parse().unwrap()]);
        assert!(both.failed.is_none());

        let one = publisher.publish_many(lines.clone()).await.unwrap();
        assert_eq!(one.ids, ["e-3".parse().unwrap()]);
        let failed = one.failed.unwrap();
        assert!(failed.to_string().ends_with("line 2: it is away"), "{failed}");
        assert_eq!(
            (failed.retry_after(), failed.is_final()),
            (Some(Duration::from_secs(1)), false)
        );

        let none = publisher.publish_many(lines.clone()).await.unwrap_err();
        assert!(none.to_string().ends_with("line 2: not JSON") && none.is_final(), "{none}");
        let topic = publisher.publish_many(lines.clone()).await.unwrap_err();
        assert!(topic.to_string().contains("the URL of all topics"), "{topic}");
        let page = publisher.publish_many(lines).await.unwrap_err();
        assert!(matches!(page, ClientError::Protocol { .. }), "{page}");
        let requests = requests.await.unwrap();
        assert!(requests[0].contains("content-type: application/x-ndjson\r\n"), "{requests:?}");
        assert!(requests[0].ends_with("\r\n\r\n{\"topic\":\"a\",\"data\":\"\"}\n"), "{requests:?}");
    }
}
