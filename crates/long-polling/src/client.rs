//! The client half.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use serde::Deserialize;
use tidings_core::{Gap, Id, Position};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Http, Notice, Target, request, url_after,
};

/// The longest answer that is taken. A hub puts about 1 MiB into one, and one notification may be larger.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Subscribes by long-polling: one request after the other over one connection that is kept alive, each
/// from the cursor of the answer before.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongPollingClient {
    /// For how long the hub may hold a request, in whole seconds, as `Prefer: wait=N` (RFC 7240, section
    /// 4.3). `None`, the default, leaves it to the hub. Longer costs fewer requests; a proxy in between
    /// may not like to wait.
    pub wait: Option<Duration>,
}

/// One answer.
#[derive(Debug, Deserialize)]
struct Answer {
    cursor: Id,
    notifications: Vec<Notice>,
    #[serde(default)]
    gap: Option<Gap>,
}

/// A subscription between two polls.
#[derive(Debug)]
struct Poller {
    target: Target,
    wait: Option<Duration>,
    http: Http,
    /// Whether the connection has brought an answer, so that it may have been closed since.
    is_kept: bool,
}

impl Client for LongPollingClient {
    fn transport(&self) -> &'static str {
        "long-polling"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        connect(target, self.wait).boxed()
    }
}

async fn connect(target: Target, wait: Option<Duration>) -> Result<Arrivals, ClientError> {
    let http = Http::connect(&target).await?;
    let mut poller = Poller { target, wait, http, is_kept: false };
    // Without a position the subscription stands where the hub says it does, and the hub says so at once.
    // With one it stands by itself, and the first request may be held.
    let mut first = match poller.target.position {
        Position::Live => Some(poller.poll().await?),
        Position::Earliest | Position::After(_) => None,
    };
    let arrivals = async_stream::try_stream! {
        loop {
            let answer = match first.take() {
                Some(answer) => answer,
                None => poller.poll().await?,
            };
            let mut told = None;
            if let Some(gap) = answer.gap {
                told = Some(gap.resume);
                yield Arrival::Gap(gap);
            }
            for notice in answer.notifications {
                told = Some(notice.id);
                yield Arrival::Notification(notice.received().map_err(protocol)?);
            }
            // The cursor is ahead where what follows the last notification is not ours.
            if told != Some(answer.cursor) {
                yield Arrival::Heartbeat(Some(answer.cursor));
            }
        }
    };
    Ok(arrivals.boxed())
}

impl Poller {
    /// The next answer; the position is then its cursor.
    async fn poll(&mut self) -> Result<Answer, ClientError> {
        let response = match self.http.send(self.request()?).await {
            // A poll changes nothing, so it may be asked again (RFC 9110, section 9.2.2).
            Err(ClientError::Broken(_)) if self.is_kept => {
                self.is_kept = false;
                self.http = Http::connect(&self.target).await?;
                self.http.send(self.request()?).await?
            }
            answered => answered?,
        };
        let body = self.http.whole(response.into_body(), MAX_ANSWER).await?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|error| protocol(error.to_string()))?;
        self.is_kept = true;
        self.target.position = Position::After(answer.cursor);
        Ok(answer)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = request(&url_after(&self.target.url, self.target.position))?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.wait {
            let prefer = HeaderValue::try_from(format!("wait={}", wait.as_secs()));
            headers.extend(
                prefer.ok().map(|prefer| (header::HeaderName::from_static("prefer"), prefer)),
            );
        }
        Ok(request)
    }
}

fn protocol(problem: String) -> ClientError {
    ClientError::Protocol { transport: "long-polling answer", problem }
}
