//! A client of ours, and what arrives at it.

use futures::{StreamExt, stream};
use tidings_core::{Gap, GapReason, Id};
use tidings_transport::client::{Arrival, Arrivals, ClientError, Goodbye, Received};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::PATIENCE;

/// A client of any transport. Dropping it cuts the connection.
pub(crate) struct Follower(Arrivals);

impl Follower {
    pub(crate) fn new(arrivals: Arrivals) -> Self {
        Self(arrivals)
    }

    /// Reads ahead, so that a polling client holds its poll before the test waits for an arrival.
    pub(crate) fn reading(self) -> Self {
        let (sender, mut receiver) = mpsc::channel(4096);
        tokio::spawn(async move {
            let Self(mut arrivals) = self;
            let reading = async {
                while let Some(arrival) = arrivals.next().await {
                    if sender.send(arrival).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = reading => {}
                () = sender.closed() => {}
            }
        });
        Self(stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
    }

    /// `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Result<Arrival, ClientError>> {
        timeout(PATIENCE, self.0.next()).await.expect("nothing arrived")
    }

    /// The next arrival. Panics at the end of the connection and at an error.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        self.next().await.expect("the connection ended").unwrap()
    }

    /// The next arrival that is not a heartbeat.
    pub(crate) async fn news(&mut self) -> Arrival {
        let news = async {
            loop {
                match self.arrival().await {
                    Arrival::Heartbeat(_) => {}
                    news => return news,
                }
            }
        };
        // Heartbeats come for as long as the server runs.
        timeout(PATIENCE, news).await.expect("only heartbeats arrived")
    }

    pub(crate) async fn notification(&mut self) -> Received {
        match self.news().await {
            Arrival::Notification(received) => received,
            other => panic!("expected a notification, not {other:?}"),
        }
    }

    pub(crate) async fn gap(&mut self) -> Gap {
        match self.news().await {
            Arrival::Gap(gap) => gap,
            other => panic!("expected a gap, not {other:?}"),
        }
    }

    /// The next gap up to `resume`. It may come as two gaps, because a server finds out what its broker has evicted
    /// only by a replay.
    pub(crate) async fn whole_gap(&mut self, resume: u64) -> Gap {
        let gap = self.gap().await;
        if gap.resume.seq == resume {
            return gap;
        }
        let next = self.gap().await;
        assert_eq!((next.after, next.reason), (gap.resume, GapReason::Evicted));
        Gap { missed: gap.missed, ..gap.joined(next) }
    }

    /// The sequence number and the text of the next notification.
    pub(crate) async fn text(&mut self) -> (u64, String) {
        let received = self.notification().await;
        let text = String::from_utf8(received.payload.to_vec()).unwrap();
        (received.id.expect("our clients receive ids").seq, text)
    }

    pub(crate) async fn seqs(&mut self, number: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < number {
            seqs.push(self.text().await.0);
        }
        seqs
    }

    /// Reads up to this notification. Asserts that each notification follows the one before it, or that there is a gap
    /// between them. The filters of the follower must match all entries.
    pub(crate) async fn read_up_to(&mut self, last: Id, mut at: u64) -> Vec<Gap> {
        let mut gaps = Vec::new();
        while at < last.seq {
            match self.news().await {
                Arrival::Notification(received) => {
                    let seq = received.id.unwrap().seq;
                    assert_eq!(seq, at + 1, "a notification was lost or repeated without a gap");
                    at = seq;
                }
                Arrival::Gap(gap) => {
                    assert_eq!(
                        gap.after.seq, at,
                        "{gap:?} does not begin at the position of the follower"
                    );
                    assert!(gap.resume.seq > at, "{gap:?} is empty");
                    assert_eq!(gap.missed, Some(gap.resume.seq - at));
                    at = gap.resume.seq;
                    gaps.push(gap);
                }
                other => panic!("{other:?} at {at}"),
            }
        }
        gaps
    }

    /// Reads up to the goodbye, and asserts that the connection ends with it.
    pub(crate) async fn goodbye(mut self) -> Goodbye {
        loop {
            if let Arrival::Goodbye(goodbye) = self.news().await {
                assert!(self.next().await.is_none(), "the stream ends after a goodbye");
                return goodbye;
            }
        }
    }
}
