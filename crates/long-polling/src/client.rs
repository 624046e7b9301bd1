//! The client of the long-polling transport.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use serde::Deserialize;
use tidings_core::{Gap, Position};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Goodbye, Http, Notice, Target, request, url_after,
    url_with_wait,
};

/// The largest response that is accepted, in bytes. A server sends about 1 MiB, or one notification that may be larger.
const MAX_RESPONSE: usize = 64 * 1024 * 1024;

/// The longest time for which a server holds a poll.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// Subscribes by long-polling. It sends one request after the other over a connection that is kept alive, each with the
/// cursor of the response before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongPollingClient {
    /// For how long the server may hold a request, sent in whole seconds as `Prefer: wait=N` (RFC 7240, section 4.3).
    /// With `None`, which is the default, the server decides. A longer time needs fewer requests, but a proxy may end a
    /// request that is held for too long.
    pub wait: Option<Duration>,
}

/// A response to a poll.
#[derive(Debug, Deserialize)]
struct Answer {
    /// An id, or the rest of a snapshot if the response has only a part of it.
    cursor: String,
    notifications: Vec<Notice>,
    gap: Option<Gap>,
    goodbye: Option<Goodbye>,
}

/// A subscription between two polls.
#[derive(Debug)]
struct Poller {
    target: Target,
    wait: Option<Duration>,
    http: Http,
    /// A response has arrived on the connection. The server may have closed it since then.
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
    // The first poll is not held, so its response shows at once that the server has accepted the subscription.
    let mut first = Some(poller.poll(Duration::ZERO).await?);
    let arrivals = async_stream::try_stream! {
        loop {
            let answer = match first.take() {
                Some(answer) => answer,
                None => poller.poll(poller.hold()).await?,
            };
            let mut last = None;
            if let Some(gap) = answer.gap {
                last = Some(gap.resume);
                yield Arrival::Gap(gap);
            }
            for notice in answer.notifications {
                last = Some(notice.id);
                yield Arrival::Notification(notice.received().map_err(protocol)?);
            }
            // The cursor is ahead of the last notification if later entries of the log do not match the filters.
            let cursor = match poller.target.position {
                Position::After(cursor) => Some(cursor),
                _ => None,
            };
            if last.is_none() || cursor.is_some_and(|cursor| last != Some(cursor)) {
                yield Arrival::Heartbeat(cursor);
            }
            if let Some(goodbye) = answer.goodbye {
                yield Arrival::Goodbye(goodbye);
                return;
            }
        }
    };
    Ok(arrivals.boxed())
}

impl Poller {
    /// How long the server may hold a poll: as the URL's `?wait=` names it, otherwise the client's `wait`, otherwise 60
    /// s, which is also the maximum.
    fn hold(&self) -> Duration {
        let named = self.target.url.query_pairs().find(|(name, _)| name == "wait");
        let named = named.and_then(|(_, seconds)| seconds.parse().ok()).map(Duration::from_secs);
        named.or(self.wait).map_or(LONGEST_HOLD, |hold| hold.min(LONGEST_HOLD))
    }

    /// Sends a poll, and moves the position to the cursor of the response. With a `hold` of zero, the server responds
    /// at once.
    async fn poll(&mut self, hold: Duration) -> Result<Answer, ClientError> {
        let response = match self.http.send_held(self.request(hold)?, hold).await {
            // A poll has no effect on the server, so it may be repeated (RFC 9110, section 9.2.2).
            Err(ClientError::Broken(_)) if self.is_kept => {
                self.is_kept = false;
                self.http = Http::connect(&self.target).await?;
                self.http.send_held(self.request(hold)?, hold).await?
            }
            answered => answered?,
        };
        let body = self.http.whole(response.into_body(), MAX_RESPONSE).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            protocol(format!("{error}, is this the address of a topic of a tidings server?"))
        })?;
        self.is_kept = true;
        self.target.position =
            answer.cursor.parse().map_err(|error| protocol(format!("{error}")))?;
        Ok(answer)
    }

    fn request(&self, hold: Duration) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut url = url_after(&self.target.url, self.target.position);
        if hold.is_zero() {
            url = url_with_wait(&url, 0);
        }
        let mut request = request(&url)?;
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
    ClientError::Protocol { transport: "long-polling response", problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidings_core::{Id, Kind};
    use tidings_testkit::{Script, scripted, scripted_until_silent};
    use tidings_transport::client::{ConnectOptions, TimeLimits};
    use tokio::task::JoinHandle;

    const AT_1: &[&str] = &[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n23\r\n{\"cursor\":\"e-1\",",
        "\"notifications\":[]}\r\n0\r\n\r\n",
    ];
    const AT_9: &[&str] = &[
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"cursor\":\"e-9\",\"notifications\":[\
         {\"id\":\"e-6\",\"topic\":\"a\",\"data\":\"tea\"},{\"id\":\"e-7\",\"topic\":\"a\",\"data_base64\":\"AP8=\"}],\
         \"gap\":{\"after\":\"e-1\",\"resume\":\"e-5\",\"missed\":4,\"reason\":\"evicted\"}}",
    ];
    const GOING_AWAY: &[&str] =
        &["HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 51\r\n\r\n\
         {\"error\":{\"code\":\"going_away\",\"message\":\"so long\"}}"];

    async fn server(script: Script) -> (Target, JoinHandle<Vec<String>>) {
        let (url, requests) = scripted(script).await;
        (Target::new(url), requests)
    }

    fn paths(requests: &[String]) -> Vec<&str> {
        requests.iter().filter_map(|request| request.split(' ').nth(1)).collect()
    }

    #[tokio::test]
    async fn each_poll_continues_from_the_cursor_and_its_response_becomes_arrivals() {
        let (target, requests) = server(&[&[AT_1, AT_9], &[GOING_AWAY]]).await;
        let client = LongPollingClient { wait: Some(Duration::from_secs(7)) };
        let mut arrivals = client.connect(target).await.unwrap();
        let mut arrived = Vec::new();
        let error = loop {
            match arrivals.next().await.unwrap() {
                Ok(arrival) => arrived.push(arrival),
                Err(error) => break error,
            }
        };
        let id = |text: &str| Some(text.parse::<Id>().unwrap());
        assert_eq!(arrived[0], Arrival::Heartbeat(id("e-1")));
        assert!(matches!(arrived[1], Arrival::Gap(gap) if gap.missed == Some(4)));
        let payloads: Vec<_> = arrived[2..4]
            .iter()
            .map(|arrival| match arrival {
                Arrival::Notification(received) => {
                    (received.id, received.kind, &received.payload[..])
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [(id("e-6"), Kind::Text, &b"tea"[..]), (id("e-7"), Kind::Binary, &[0, 255])];
        assert_eq!(payloads, expected);
        assert_eq!(arrived[4..], [Arrival::Heartbeat(id("e-9"))]);

        assert!(error.to_string().ends_with("so long"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
        assert!(arrivals.next().await.is_none());
        let requests = requests.await.unwrap();
        let expected = ["/topics/a?wait=0", "/topics/a?after=e-1", "/topics/a?after=e-9"];
        assert_eq!(paths(&requests), expected);
        assert!(requests[0].contains("prefer: wait=7\r\n"), "{requests:?}");
    }

    #[tokio::test]
    async fn the_first_poll_is_not_held_even_if_the_url_names_a_hold_time() {
        let (mut target, requests) = server(&[&[AT_1, AT_9]]).await;
        target.url.set_query(Some("wait=50"));
        target.position = Position::Earliest;
        let mut arrivals = LongPollingClient::default().connect(target).await.unwrap();
        for _ in 0..2 {
            assert!(matches!(arrivals.next().await, Some(Ok(_))));
        }
        let expected = ["/topics/a?after=earliest&wait=0", "/topics/a?wait=50&after=e-1"];
        assert_eq!(paths(&requests.await.unwrap()), expected);
    }

    #[tokio::test]
    async fn a_silent_server_times_out_after_the_hold_is_over() {
        let limit = Duration::from_millis(200);
        let limits = TimeLimits::default().head(limit).body(limit);
        let options = Arc::new(ConnectOptions::default().limits(limits));
        const NO_HEAD: Script = &[&[AT_1, &[""]]];
        const HALF_A_HEAD: Script = &[&[AT_1, &["HTTP/1.1 200 O"]]];
        const HALF_A_BODY: Script =
            &[&[AT_1, &["HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"cursor\":"]]];
        for (script, waited_for) in [
            (NO_HEAD, "the head of a response"),
            (HALF_A_HEAD, "the head of a response"),
            (HALF_A_BODY, "the rest of a response"),
        ] {
            let (url, server) = scripted_until_silent(script).await;
            let client = LongPollingClient { wait: Some(Duration::from_secs(0)) };
            let target = Target::new(url).options(options.clone());
            let arrivals: Vec<_> = client.connect(target).await.unwrap().collect().await;
            let [Ok(_), Err(error)] = &arrivals[..] else { panic!("{arrivals:?}") };
            assert!(error.to_string().ends_with(waited_for), "{error}");
            server.abort();
        }
    }

    #[tokio::test]
    async fn a_closed_connection_is_replaced_once_and_then_its_end_is_an_error() {
        const HUNG_UP: &[&str] = &[];
        let (target, requests) = server(&[&[AT_1, HUNG_UP], &[HUNG_UP]]).await;
        let arrivals = LongPollingClient::default().connect(target).await.unwrap();
        let arrivals: Vec<_> = arrivals.collect().await;
        assert!(matches!(arrivals[..], [Ok(_), Err(ClientError::Broken(_))]), "{arrivals:?}");
        let requests = requests.await.unwrap();
        assert_eq!(paths(&requests)[1..], ["/topics/a?after=e-1", "/topics/a?after=e-1"]);
    }

    #[tokio::test]
    async fn a_goodbye_ends_the_stream_and_a_malformed_response_is_an_error() {
        let (target, _) = server(&[&[&[
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"cursor\":\"e-1\",\"notifications\":[],\
            \"goodbye\":{\"reason\":\"going_away\",\"message\":\"bye\"}}",
        ]]])
        .await;
        let arrivals = LongPollingClient::default().connect(target).await.unwrap();
        let arrivals: Vec<_> = arrivals.map(Result::unwrap).collect().await;
        assert!(matches!(&arrivals[..], [_, Arrival::Goodbye(bye)] if bye.reason == "bye"));

        let (target, _) = server(&[&[&["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]"]]]).await;
        let error = LongPollingClient::default().connect(target).await.err().unwrap();
        assert!(error.to_string().contains("invalid long-polling response"), "{error}");
    }
}
