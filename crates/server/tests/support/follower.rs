//! A client half of ours, and what arrives at it.

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

    /// The same, reading ahead: a client that polls is there before anybody waits for what it is told.
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

    /// Whatever comes next; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Result<Arrival, ClientError>> {
        timeout(PATIENCE, self.0.next()).await.expect("nothing arrived")
    }

    /// Whatever comes next, which is to be an arrival.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        self.next().await.expect("the connection ended").unwrap()
    }

    /// The next arrival that is no heartbeat.
    pub(crate) async fn news(&mut self) -> Arrival {
        loop {
            match self.arrival().await {
                Arrival::Heartbeat(_) => {}
                news => return news,
            }
        }
    }

    pub(crate) async fn notification(&mut self) -> Received {
        match self.news().await {
            Arrival::Notification(received) => received,
            other => panic!("a notification was due, and it was {other:?}"),
        }
    }

    pub(crate) async fn gap(&mut self) -> Gap {
        match self.news().await {
            Arrival::Gap(gap) => gap,
            other => panic!("a gap was due, and it was {other:?}"),
        }
    }

    /// The next gap, with another one right behind it as one: what a broker has evicted a hub knows only once
    /// it has asked.
    pub(crate) async fn whole_gap(&mut self, resume: u64) -> Gap {
        let gap = self.gap().await;
        if gap.resume.seq == resume {
            return gap;
        }
        let behind = self.gap().await;
        assert_eq!((behind.after, behind.reason), (gap.resume, GapReason::Evicted));
        Gap { missed: gap.missed, ..gap.joined(behind) }
    }

    /// The next notification: its sequence number and text.
    pub(crate) async fn text(&mut self) -> (u64, String) {
        let received = self.notification().await;
        let text = String::from_utf8(received.payload.to_vec()).unwrap();
        (received.id.expect("our clients ask for ids").seq, text)
    }

    /// The sequence numbers of the next notifications.
    pub(crate) async fn seqs(&mut self, number: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < number {
            seqs.push(self.text().await.0);
        }
        seqs
    }

    /// Reads up to this notification, of a stream of which every entry is for this follower: each has to
    /// follow the one before, or a gap between them has to be told. Returns the gaps.
    pub(crate) async fn read_up_to(&mut self, last: Id, mut at: u64) -> Vec<Gap> {
        let mut gaps = Vec::new();
        while at < last.seq {
            match self.news().await {
                Arrival::Notification(received) => {
                    let seq = received.id.unwrap().seq;
                    assert_eq!(seq, at + 1, "a notification was lost or repeated in silence");
                    at = seq;
                }
                Arrival::Gap(gap) => {
                    assert_eq!(gap.after.seq, at, "{gap:?} does not begin where we are");
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

    /// Reads until the hub says goodbye, and the connection with it is over.
    pub(crate) async fn goodbye(mut self) -> Goodbye {
        loop {
            if let Arrival::Goodbye(goodbye) = self.news().await {
                assert!(self.next().await.is_none(), "the stream ends behind a goodbye");
                return goodbye;
            }
        }
    }
}
