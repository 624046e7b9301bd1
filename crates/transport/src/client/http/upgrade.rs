//! The upgrade of a connection to another protocol.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;

use super::http1::Http1;
use super::{Http, Protocol, headers_and_authority};
use crate::client::{ClientError, Stream, Target, connect};

/// A connection that was upgraded from HTTP to another protocol.
#[derive(Debug)]
pub struct Upgraded {
    /// The head of the `101`.
    pub head: Response<()>,
    /// The connection.
    pub stream: Stream,
    /// The bytes that have already been read after the head.
    pub read: Bytes,
}

impl Http {
    /// Connects by HTTP/1.1, sends a request to upgrade to another protocol (RFC 9110, section 7.8), and waits for the
    /// `101`. HTTP/2 has no such upgrade.
    ///
    /// # Errors
    /// Any error of [`connect`](crate::client::connect) and [`send`](Self::send). Any status except `101` is
    /// [`ClientError::Rejected`], even `200`.
    pub async fn upgrade(
        target: &Target,
        request: Request<Full<Bytes>>,
    ) -> Result<Upgraded, ClientError> {
        let (headers, _) = headers_and_authority(target)?;
        let http = Http1::new(connect(target).await?).await?;
        let (url, limits) = (target.url.clone(), target.options.limits);
        let mut http = Self { protocol: Protocol::Http1(Box::new(http)), url, headers, limits };
        let response = http.exchange(request, Duration::ZERO).await;
        let response = response.map_err(|failed| failed.error)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(http.rejection(response).await);
        }
        let Protocol::Http1(http) = http.protocol else {
            let problem = "HTTP/2 has no 101".to_owned();
            return Err(ClientError::Protocol { transport: "HTTP", problem });
        };
        let parts = http.leave_http().await?;
        Ok(Upgraded {
            head: response.map(drop),
            stream: parts.io.into_inner(),
            read: parts.read_buf,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::request;
    use crate::client::scripted::mute;

    #[tokio::test]
    async fn an_upgrade_without_a_response_times_out() {
        let (target, server) =
            mute("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n").await;
        let error = Http::upgrade(&target, request(&target.url).unwrap()).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        server.abort();
    }
}
