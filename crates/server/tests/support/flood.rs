//! More notifications than a slow reader can be sent.

use std::sync::LazyLock;

use tidings_core::{Gap, Id};

use super::{Follower, Running};

/// The size and the number of notifications that fill every buffer of the system between the server and a client that
/// does not read: at most 4 MiB on the side of the server (`tcp_wmem`), and little more than 64 KiB on the other
/// side.
pub(crate) const PAYLOAD: usize = 64 << 10;
pub(crate) const NUMBER: u64 = 160;

/// A text of [`PAYLOAD`] bytes that compression shortens by less than a fifth: random characters of a byte each, which
/// no format escapes.
pub(crate) static FILLING: LazyLock<String> = LazyLock::new(|| {
    let characters: Vec<char> = (' '..='~').filter(|it| !"\"\\".contains(*it)).collect();
    let mut state = 1_u64;
    let mut random = || {
        // Knuth's MMIX generator. Its upper bits are the random ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        characters[(state >> 40) as usize % characters.len()]
    };
    (0..PAYLOAD).map(|_| random()).collect()
});

/// Publishes more than a slow reader can be sent, with the ids after `at`. Each notification is published once a quick
/// reader has received the one before. Returns the last id.
pub(crate) async fn flood(hub: &Running, quick: &mut Follower, at: u64) -> Id {
    let mut last = None;
    for number in at + 1..=at + NUMBER {
        last = Some(hub.publish("t", &**FILLING).await);
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
