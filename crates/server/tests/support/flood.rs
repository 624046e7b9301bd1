//! More notifications than a slow reader can be sent.

use tidings_core::{Gap, Id};

use super::{Follower, Running};

/// The size and the number of notifications that fill every buffer of the system between the server and a client that
/// does not read: at most 4 MiB on the side of the server (`tcp_wmem`), and little more than 64 KiB on the other
/// side.
pub(crate) const PAYLOAD: usize = 64 << 10;
pub(crate) const NUMBER: u64 = 160;

/// Publishes more than a slow reader can be sent, with the ids after `at`. Each notification is published once a quick
/// reader has received the one before. Returns the last id.
pub(crate) async fn flood(hub: &Running, quick: &mut Follower, at: u64) -> Id {
    let payload = "x".repeat(PAYLOAD);
    let mut last = None;
    for number in at + 1..=at + NUMBER {
        last = Some(hub.publish("t", payload.clone()).await);
        assert_eq!(quick.text().await.0, number, "the quick reader has missed something");
    }
    last.unwrap()
}

/// Floods. Returns the last id, and all gaps that the slow reader received. The last gap is expected to end `kept`
/// before the last id.
///
/// On a busy machine, a full socket sometimes takes more near the end of a flood. Then it receives the gap too
/// early, and needs no other one after that. So there are up to three floods.
pub(crate) async fn gaps(
    hub: &Running,
    slow: &mut Follower,
    quick: &mut Follower,
    kept: u64,
) -> (Id, Vec<Gap>) {
    let (mut at, mut gaps) = (0, Vec::new());
    loop {
        let last = flood(hub, quick, at).await;
        gaps.extend(slow.read_up_to(last, at).await);
        at = last.seq;
        let is_expected = gaps.last().is_some_and(|gap| gap.resume.seq == at - kept);
        if is_expected || at == 3 * NUMBER {
            return (last, gaps);
        }
    }
}
