//! The client half.

use bytes::BytesMut;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, header};
use serde::Deserialize;
use tidings_core::{Gap, Id};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Goodbye, Http, Notice, Silence, Target, request,
    url_after,
};

use super::MEDIA;

/// The longest line that is accepted, in bytes. A longer one is not from a tidings server.
const MAX_LINE: usize = 16 << 20;

/// Subscribes by newline-delimited JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct NdjsonClient;

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Notice(Notice),
    Gap { gap: Gap },
    Ping { ping: Id },
    Goodbye { goodbye: Goodbye },
}

impl Client for NdjsonClient {
    fn transport(&self) -> &'static str {
        "ndjson"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        connect(target).boxed()
    }
}

async fn connect(target: Target) -> Result<Arrivals, ClientError> {
    let mut http = Http::connect(&target).await?;
    let mut request = request(&url_after(&target.url, target.position))?;
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(MEDIA));
    let mut body = http.send(request).await?.into_body();
    let arrivals = async_stream::try_stream! {
        let mut read = BytesMut::new();
        let silence = Silence::default();
        while let Some(chunk) = silence.bound(http.chunk(&mut body)).await?? {
            read.extend_from_slice(&chunk);
            while let Some(end) = read.iter().position(|&byte| byte == b'\n') {
                yield arrival(&read.split_to(end + 1))?;
            }
            if read.len() > MAX_LINE {
                Err(protocol(&"a line is longer than 16 MiB"))?;
            }
        }
    };
    Ok(arrivals.boxed())
}

fn arrival(line: &[u8]) -> Result<Arrival, ClientError> {
    Ok(match serde_json::from_slice(line).map_err(|error| protocol(&error))? {
        Line::Notice(notice) => {
            Arrival::Notification(notice.received().map_err(|problem| protocol(&problem))?)
        }
        Line::Gap { gap } => Arrival::Gap(gap),
        Line::Ping { ping } => Arrival::Heartbeat(Some(ping)),
        Line::Goodbye { goodbye } => Arrival::Goodbye(goodbye),
    })
}

fn protocol(problem: &impl ToString) -> ClientError {
    ClientError::Protocol { transport: "ndjson", problem: problem.to_string() }
}
