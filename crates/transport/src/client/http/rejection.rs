//! Responses that are not accepted.

use std::time::Duration;

use http::response::Parts;
use http::{Response, StatusCode};
use tokio::time::timeout;

use super::{Body, Http};
use crate::client::ClientError;

/// The most that is read of the body of a rejection, in bytes.
const MAX_REJECTION: usize = 64 * 1024;
/// How long the body of a rejection is waited for.
const REJECTION_LIMIT: Duration = Duration::from_secs(5);

impl Http {
    pub(in crate::client) fn rejected(&self, head: &Parts, body: &[u8]) -> ClientError {
        ClientError::rejected(head, body, &self.headers, &self.url)
    }

    /// The response if its status is `200`, otherwise the error that it stands for.
    pub(super) async fn accepted(
        &mut self,
        response: Response<Body>,
    ) -> Result<Response<Body>, ClientError> {
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(self.rejection(response).await),
        }
    }

    pub(super) async fn rejection(&mut self, response: Response<Body>) -> ClientError {
        let (head, body) = response.into_parts();
        let body = timeout(REJECTION_LIMIT, self.whole(body, MAX_REJECTION)).await;
        // If the body does not arrive, the status alone is more useful to the caller than the reason for that.
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        self.rejected(&head, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::http::tests::get;
    use crate::client::request;
    use crate::client::scripted::{mute, server};

    #[tokio::test]
    async fn a_rejection_has_the_servers_message_and_retry_after() {
        let error = get(&[&[&[
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 59\r\n\r\n",
            "{\"error\":{\"code\":\"full\",\"message\":\"come back a bit later\"}}",
        ]]])
        .await
        .unwrap_err();
        assert!(error.to_string().ends_with("503 Service Unavailable: come back a bit later"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
        assert!(!error.is_final());
    }

    #[tokio::test]
    async fn a_rejection_with_an_incomplete_body_is_still_that_rejection() {
        let error = get(&[&[&["HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\ncut"]]])
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("403 Forbidden: no reason given"), "{error}");
    }

    #[tokio::test]
    async fn a_rejection_whose_body_does_not_arrive_is_still_that_rejection() {
        let (target, server) = mute("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhalf").await;
        let mut http = Http::connect(&target).await.unwrap();
        let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
        server.abort();
    }

    #[tokio::test]
    async fn a_redirect_is_named_and_not_followed() {
        let (target, _) = server(&[&[&[
            "HTTP/1.1 302 Found\r\nLocation: http://other.example/a?access_token=s3cret\r\n\
             Content-Length: 0\r\n\r\n",
        ]]])
        .await;
        let mut http = Http::connect(&target).await.unwrap();
        let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
        let words = "connect to http://other.example/a?access_token=***";
        assert!(error.to_string().ends_with(words), "{error}");
        assert!(error.is_final());
    }
}
