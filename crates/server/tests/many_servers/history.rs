//! The stream is deleted, restored or purged while servers and clients use it.

use tidings_core::{Epoch, Event, GapReason, HubConfig, Interest, Position, SlowPolicy};
use tokio::time::timeout;

use super::model::Model;
use super::plays::{every, every_broker, keeping, post};
use super::stage::Shared;
use crate::support::{Follower, PATIENCE, Raw, Running, all_listed, eventually};

/// Connects a client of each transport to each server.
async fn all(hubs: &[&Running], filters: &str, position: Position) -> Vec<Follower> {
    let mut followers = Vec::new();
    for hub in hubs {
        for listed in all_listed() {
            followers.push(hub.follow_at_once(&listed, filters, position).await);
        }
    }
    followers
}

#[test]
fn all_clients_of_all_servers_receive_a_gap_if_the_stream_is_deleted() {
    every_broker(async |mover| {
        let stream = Shared::new(mover.broker.unwrap(), None);
        let one = stream.running(mover, HubConfig::default()).await;
        let other = stream.running(mover, HubConfig::default()).await;
        let mut followers = all(&[&one, &other], ">", Position::Live).await;
        for number in 1..=3 {
            one.publish("t", number.to_string()).await;
        }
        for follower in &mut followers {
            assert_eq!(follower.seqs(3).await, [1, 2, 3]);
        }
        let old = one.hub.epoch();
        stream.delete().await;
        // A notification that is published before a server has detected the change has the new epoch already.
        let mut first = None;
        eventually("a publish is stored", async || {
            let answer = Raw::request(one.address, post("t", "first")).await;
            first = answer.json()["id"].as_str().map(str::to_owned);
            answer.status == 200
        })
        .await;
        let first: tidings_core::Id = first.unwrap().parse().unwrap();
        assert_ne!(first.epoch, old);
        for hub in [&one, &other] {
            eventually("it has the new epoch", async || hub.hub.epoch() == first.epoch).await;
            hub.comes_to(first.seq).await;
        }
        let second = other.publish("t", "second").await;
        assert_eq!(second, first.epoch.id(first.seq + 1));
        for follower in &mut followers {
            let gap = follower.gap().await;
            assert_eq!((gap.after, gap.resume), (old.id(3), first.epoch.id(0)));
            assert_eq!((gap.missed, gap.reason), (None, GapReason::Epoch));
            assert_eq!(follower.text().await, (first.seq, "first".to_owned()));
            assert_eq!(follower.text().await, (second.seq, "second".to_owned()));
        }
        // Clients that resume with a position of the old epoch.
        for seq in [0, 2, 3, 1000] {
            for mut follower in all(&[&one, &other], "t", Position::After(old.id(seq))).await {
                let gap = follower.gap().await;
                assert_eq!((gap.after, gap.resume), (old.id(seq), first.epoch.id(0)));
                assert_eq!(gap.reason, GapReason::Epoch);
                assert_eq!(follower.text().await, (first.seq, "first".to_owned()));
            }
        }
        drop(followers);
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_purge_is_a_gap_only_for_clients_that_resume_from_before_it() {
    every_broker(async |mover| {
        let stream = Shared::new(mover.broker.unwrap(), None);
        let one = stream.running(mover, keeping(10)).await;
        let other = stream.running(mover, keeping(10)).await;
        one.publish_many("t", 40).await;
        other.comes_to(40).await;
        let id = |seq| one.hub.epoch().id(seq);
        let mut current = all(&[&one, &other], ">", Position::After(id(39))).await;
        for follower in &mut current {
            assert_eq!(follower.seqs(1).await, [40]);
        }
        stream.purge(25).await;
        for mut follower in all(&[&one, &other], ">", Position::After(id(5))).await {
            let gap = follower.gap().await;
            assert_eq!((gap.after, gap.resume), (id(5), id(25)));
            assert_eq!((gap.missed, gap.reason), (Some(20), GapReason::Evicted));
            assert_eq!(follower.seqs(15).await, Vec::from_iter(26..=40));
        }
        stream.purge(40).await;
        for mut follower in all(&[&one, &other], ">", Position::After(id(5))).await {
            let gap = follower.gap().await;
            assert_eq!((gap.after, gap.resume), (id(5), id(40)));
            assert_eq!((gap.missed, gap.reason), (Some(35), GapReason::Evicted));
            current.push(follower);
        }
        // The server still retains these.
        for mut follower in all(&[&one, &other], ">", Position::After(id(32))).await {
            assert_eq!(follower.seqs(8).await, Vec::from_iter(33..=40));
            current.push(follower);
        }
        assert_eq!(other.publish("t", "next").await, id(41));
        one.comes_to(41).await;
        for follower in &mut current {
            assert_eq!(follower.text().await, (41, "next".to_owned()));
        }
        drop(current);
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_client_whose_replay_is_of_another_epoch_than_the_server_receives_one_gap() {
    every(async |case| {
        let model = Model::default();
        for seq in 1..=30 {
            model.store("t", seq.to_string());
        }
        let way = model.way();
        let hub = way.running(case.mover, keeping(10)).await;
        let old = hub.hub.epoch();
        let mut current = hub.follow_at_once(&case.listed, ">", Position::After(old.id(29))).await;
        assert_eq!(current.seqs(1).await, [30]);
        way.replays.close();
        way.hold_at(30);
        let mut early = hub.follow_at_once(&case.listed, ">", Position::After(old.id(5))).await;
        let mut ahead = hub.follow_at_once(&case.listed, ">", Position::After(old.id(35))).await;
        way.replays.has_waiting(2).await;
        model.roll_back(2, 3);
        way.replays.open();
        way.replays.has_waiting(0).await;
        way.release();
        eventually("it has the new epoch", async || hub.hub.epoch() == Epoch::from_number(2)).await;
        for (follower, after) in [(&mut current, 30), (&mut early, 5), (&mut ahead, 35)] {
            let gap = follower.gap().await;
            assert_eq!((gap.after, gap.resume), (old.id(after), Epoch::from_number(2).id(0)));
            assert_eq!(gap.reason, GapReason::Epoch);
            assert_eq!(follower.seqs(3).await, [1, 2, 3]);
        }
        hub.publish("t", "new").await;
        for follower in [&mut current, &mut early, &mut ahead] {
            assert_eq!(follower.text().await, (4, "new".to_owned()));
        }
        drop((current, early, ahead));
        hub.stop().await;
    });
}

#[test]
fn a_client_is_not_slow_because_the_epoch_changes() {
    every(async |case| {
        for policy in [SlowPolicy::Gap, SlowPolicy::Disconnect, SlowPolicy::KeepLatest] {
            let model = Model::default();
            for seq in 1..=50 {
                model.store("t", seq.to_string());
            }
            let way = model.way();
            let mut config = case.mover.config_of(way.hub(keeping(10)).await);
            config.slow = policy;
            let hub = Running::start(config).await;
            let position = Position::After(hub.hub.epoch().id(49));
            let mut follower = hub.follow_at_once(&case.listed, ">", position).await;
            assert_eq!(follower.seqs(1).await, [50]);
            // More notifications are left than the server retains.
            model.roll_back(2, 40);
            let gap = follower.gap().await;
            assert_eq!((gap.resume.seq, gap.reason), (0, GapReason::Epoch));
            assert_eq!(follower.seqs(40).await, Vec::from_iter(1..=40));
            drop(follower);
            hub.stop().await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_server_starts_even_if_the_newest_were_removed_from_the_broker() {
    let model = Model::default();
    for seq in 1..=5 {
        model.store("t", seq.to_string());
    }
    model.take_out(4);
    model.take_out(5);
    let way = model.way();
    let begins = timeout(PATIENCE, way.hub(HubConfig::default()));
    let hub = begins.await.expect("it does not wait for the removed ones");
    assert_eq!(hub.log().head().seq, 3);
    let seat = hub.join("here").unwrap();
    let interest = Interest::new(">".parse().unwrap());
    let mut events = hub.read(seat, interest, Position::Earliest);
    model.store("t", "6");
    for seq in [1, 2, 3] {
        let event = events.next().await;
        assert!(matches!(&event, Some(Event::Deliver(one)) if one.id().seq == seq), "{event:?}");
    }
    let event = events.next().await;
    assert!(matches!(event, Some(Event::Gap(gap)) if gap.resume.seq == 5), "{event:?}");
    let event = events.next().await;
    assert!(matches!(&event, Some(Event::Deliver(one)) if one.id().seq == 6), "{event:?}");
}
