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
    Arrival, Arrivals, Client, ClientError, Goodbye, Http, Notice, Target, request, url_after,
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
    gap: Option<Gap>,
    goodbye: Option<Goodbye>,
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
            if let Some(goodbye) = answer.goodbye {
                yield Arrival::Goodbye(goodbye);
                return;
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Kind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
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

    /// A hub that answers by heart: connections, each a list of answers, each written in these pieces. A
    /// connection is closed behind its last answer. In the end it tells the requests that came.
    async fn hub(
        script: &'static [&'static [&'static [&'static str]]],
    ) -> (Target, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            url: format!("http://{}/topics/a", listener.local_addr().unwrap()).parse().unwrap(),
            position: Position::Live,
            meter: Default::default(),
            local: None,
        };
        let served = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answers in script {
                let (mut stream, _) = listener.accept().await.unwrap();
                for pieces in *answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    requests.push(String::from_utf8(request).unwrap());
                    for piece in *pieces {
                        stream.write_all(piece.as_bytes()).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
            }
            requests
        });
        (target, served)
    }

    fn paths(requests: &[String]) -> Vec<&str> {
        requests.iter().filter_map(|request| request.split(' ').nth(1)).collect()
    }

    #[tokio::test]
    async fn each_poll_goes_on_from_the_cursor_and_what_it_brings_is_flattened() {
        let (target, requests) = hub(&[&[AT_1, AT_9], &[GOING_AWAY]]).await;
        let client = LongPollingClient { wait: Some(Duration::from_secs(7)) };
        let mut arrivals = client.connect(target).await.unwrap();
        let mut told = Vec::new();
        let error = loop {
            match arrivals.next().await.unwrap() {
                Ok(arrival) => told.push(arrival),
                Err(error) => break error,
            }
        };
        let id = |text: &str| Some(text.parse::<Id>().unwrap());
        assert_eq!(told[0], Arrival::Heartbeat(id("e-1")));
        assert!(matches!(told[1], Arrival::Gap(gap) if gap.missed == Some(4)));
        let payloads: Vec<_> = told[2..4]
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
        assert_eq!(told[4..], [Arrival::Heartbeat(id("e-9"))]);

        assert!(error.to_string().ends_with("so long"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
        assert!(arrivals.next().await.is_none());
        let requests = requests.await.unwrap();
        assert_eq!(paths(&requests), ["/topics/a", "/topics/a?after=e-1", "/topics/a?after=e-9"]);
        assert!(requests[0].contains("prefer: wait=7\r\n"), "{requests:?}");
    }

    #[tokio::test]
    async fn with_a_position_connect_does_not_wait_for_the_first_answer() {
        let (target, requests) = hub(&[&[AT_1]]).await;
        let target = Target { position: Position::Earliest, ..target };
        let mut arrivals = LongPollingClient::default().connect(target.clone()).await.unwrap();
        assert_eq!(target.meter.requests.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert!(matches!(arrivals.next().await, Some(Ok(Arrival::Heartbeat(Some(_))))));
        assert_eq!(paths(&requests.await.unwrap()), ["/topics/a?after=earliest"]);
    }

    #[tokio::test]
    async fn a_kept_connection_is_made_anew_once_and_then_its_end_is_told() {
        const HUNG_UP: &[&str] = &[];
        let (target, requests) = hub(&[&[AT_1, HUNG_UP], &[HUNG_UP]]).await;
        let arrivals = LongPollingClient::default().connect(target).await.unwrap();
        let arrivals: Vec<_> = arrivals.collect().await;
        assert!(matches!(arrivals[..], [Ok(_), Err(ClientError::Broken(_))]), "{arrivals:?}");
        let requests = requests.await.unwrap();
        assert_eq!(paths(&requests)[1..], ["/topics/a?after=e-1", "/topics/a?after=e-1"]);
    }

    #[tokio::test]
    async fn a_goodbye_ends_it_and_an_answer_that_is_none_is_an_error() {
        let (target, _) = hub(&[&[&[
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"cursor\":\"e-1\",\"notifications\":[],\
            \"goodbye\":{\"reason\":\"going_away\",\"message\":\"bye\"}}",
        ]]])
        .await;
        let arrivals = LongPollingClient::default().connect(target).await.unwrap();
        let arrivals: Vec<_> = arrivals.map(Result::unwrap).collect().await;
        assert!(matches!(&arrivals[..], [_, Arrival::Goodbye(bye)] if bye.reason == "bye"));

        let (target, _) = hub(&[&[&["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]"]]]).await;
        let error = LongPollingClient::default().connect(target).await.err().unwrap();
        assert!(error.to_string().contains("no long-polling answer"), "{error}");
    }
}
