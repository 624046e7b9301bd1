//! The response to a request to publish many notifications.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::json;
use tidings_core::Id;

use super::MEDIA;
use crate::Rejection;

/// The outcome of publishing many notifications in their order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishedMany {
    /// The ids of the notifications that were stored, in the order of their lines.
    pub ids: Vec<Id>,
    /// Why the next notification was not stored, or `None` if all were stored. The message begins with the number of
    /// its line. No later notification was published.
    pub failed: Option<Rejection>,
    /// The number of notifications after the one that failed. None of them was published.
    pub unpublished: usize,
    /// The number of the line that failed.
    pub(super) line: usize,
}

impl PublishedMany {
    /// Returns the response, which has a line for each notification in their order. A line is `{"id":…}`, or an error
    /// as [`Rejection::into_response`] writes it. The status is `200` if all notifications were stored, otherwise the
    /// status of the failure.
    pub fn into_response(self) -> Response<Bytes> {
        let mut body: String = self.ids.iter().map(|id| format!("{{\"id\":\"{id}\"}}\n")).collect();
        let mut response = Response::new(Bytes::new());
        if let Some(failed) = self.failed {
            body.push_str(&error_line(failed.code, &failed.message));
            let message =
                format!("line {} failed, and this was not published: send it again", self.line);
            body.push_str(&error_line("not_published", &message).repeat(self.unpublished));
            *response.status_mut() = failed.status;
            *response.headers_mut() = *failed.headers;
        }
        *response.body_mut() = body.into();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn error_line(code: &str, message: &str) -> String {
    format!("{}\n", json!({"error": {"code": code, "message": message}}))
}
