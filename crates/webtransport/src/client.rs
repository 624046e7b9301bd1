//! The client of the WebTransport transport.

mod connect;
mod lines;

use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Frame, Goodbye, Silence, Target,
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use web_transport_quinn::{ReadError, RecvStream};

use self::connect::{Connected, closed};
use self::lines::Lines;
use crate::NAME;

/// How long the server has to close the session after its stream has ended, or after the client has closed it.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Subscribes by WebTransport over HTTP/3. Experimental.
///
/// The URL must have the scheme `https`. The certificates to accept, the headers and the time limits are those of the
/// target's options.
///
/// ```no_run
/// use std::sync::Arc;
/// use futures::StreamExt;
/// use tidings_transport::client::{Backoff, Target, follow};
/// use tidings_webtransport::WebTransportClient;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let target = Target::new("https://hub.example/topics/orders.*".parse()?);
/// let mut orders = follow(Arc::new(WebTransportClient::default()), target, Backoff::default());
/// while let Some(event) = orders.next().await {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct WebTransportClient {
    /// Has a task for each session that is being closed.
    closing: TaskTracker,
}

impl Client for WebTransportClient {
    fn transport(&self) -> &'static str {
        NAME
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        arrivals(target, self.closing.clone()).boxed()
    }

    fn closed(&self) -> BoxFuture<'static, ()> {
        let closing = self.closing.clone();
        // It can still be given tasks. Without this, waiting would not end.
        closing.close();
        async move { timeout(CLOSE_LIMIT, closing.wait()).await.unwrap_or_default() }.boxed()
    }
}

async fn arrivals(target: Target, closing: TaskTracker) -> Result<Arrivals, ClientError> {
    let limits = target.options.limits;
    let session = connect::connect(&target, closing).await?;
    // The server opens its stream after it has accepted the subscription.
    let accepted = Silence::exactly(limits.head).bound(session.accept_uni()).await?;
    let mut stream = match accepted {
        Ok(stream) => stream,
        Err(_) => return end(&session).await.map(goodbye_only),
    };
    // The first line is sent at once, and announces the heartbeat.
    let mut silence = Silence::exactly(limits.head);
    let mut lines = Lines::default();
    let arrivals = async_stream::try_stream! {
        loop {
            let line = match lines.next() {
                Some(line) => line,
                None => {
                    match silence.bound(read(&mut stream, &mut lines)).await? {
                        Ok(true) => continue,
                        // The stream has ended, or the session has.
                        Ok(false) | Err(ReadError::SessionError(_)) => {
                            yield Arrival::Goodbye(end(&session).await?);
                            return;
                        }
                        Err(error) => Err(ClientError::Broken(error.to_string()))?,
                    }
                    continue;
                }
            };
            let frame = Frame::parse(&line.map_err(protocol)?).map_err(protocol)?;
            if let Some(interval) = frame.heartbeat() {
                silence = Silence::of(interval);
            }
            let arrival = frame.arrival().map_err(protocol)?;
            let is_last = matches!(arrival, Arrival::Goodbye(_));
            yield arrival;
            if is_last {
                return;
            }
        }
    };
    Ok(arrivals.boxed())
}

/// Reads once. `false` at the end of the stream.
///
/// Cancel safe.
async fn read(stream: &mut RecvStream, lines: &mut Lines) -> Result<bool, ReadError> {
    // Ordered: an unordered read after an ordered one may return bytes twice, and the library has read the header of the
    // stream in order.
    let chunk = stream.read_chunk(lines::MAX_READ, true).await?;
    Ok(chunk.map(|chunk| lines.push(&chunk.bytes)).is_some())
}

/// Waits until the session is closed, and returns the goodbye that its code means. Fails if the code is that of a
/// rejection, or there is none.
async fn end(session: &Connected) -> Result<Goodbye, ClientError> {
    match timeout(CLOSE_LIMIT, session.closed()).await {
        Ok(error) => closed(error),
        Err(_) => Err(ClientError::Broken("the stream of notifications ended".to_owned())),
    }
}

/// The arrivals of a session that has ended before its stream was opened.
fn goodbye_only(goodbye: Goodbye) -> Arrivals {
    futures::stream::iter([Ok(Arrival::Goodbye(goodbye))]).boxed()
}

fn protocol(problem: String) -> ClientError {
    ClientError::Protocol { transport: "WebTransport", problem }
}
