//! One schedule, which is determined by its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::broker::SharedBroker;
use super::client::Client;
use super::faults::{FaultRates, chance};
use super::hubs::Hubs;
use super::publisher::Publisher;
use super::record::{Outcome, Record};
use super::tail::Ending;

/// Runs the schedule of this seed in simulated time.
pub(crate) fn run(seed: u64, is_traced: bool) -> Outcome {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(seed, is_traced);
        world.run_with_faults().await;
        if !world.record.has_failed() {
            world.run_without_faults().await;
        }
        world.record.outcome()
    })
}

struct World {
    rng: Rng,
    record: Record,
    broker: SharedBroker,
    hubs: Hubs,
    clients: Vec<Client>,
    publishing: Vec<JoinHandle<()>>,
    /// Whether the broker can lose its history in this schedule.
    loses_history: bool,
}

/// How long it may take until all clients have everything, after the last failure.
const RECOVERY: Duration = Duration::from_secs(30);

const TICK: Duration = Duration::from_millis(50);

impl World {
    fn new(seed: u64, is_traced: bool) -> Self {
        let (mut rng, record) = (Rng::with_seed(seed), Record::new(is_traced));
        let (fault_rates, keep) = (FaultRates::random(&mut rng), rng.u64(20..200));
        record.note(|| format!("seed {seed}: {fault_rates:?}, the broker keeps {keep}"));
        let broker = SharedBroker::new(rng.fork(), fault_rates, keep, record.clone());
        let hubs = Hubs::new(rng.usize(2..=3), broker.clone(), record.clone());
        let clients = (0..rng.usize(5..=10))
            .map(|number| Client::any(number, broker.clone(), record.clone(), rng.fork()))
            .collect();
        let publishing = (0..rng.usize(2..=4))
            .map(|number| {
                let (hubs, broker, record) = (hubs.clone(), broker.clone(), record.clone());
                let publisher = Publisher { number, hubs, broker, record, rng: rng.fork() };
                tokio::spawn(publisher.publish(rng.usize(20..70)))
            })
            .collect();
        let loses_history = rng.bool();
        Self { rng, record, broker, hubs, clients, publishing, loses_history }
    }

    /// Causes random failures.
    async fn run_with_faults(&mut self) {
        for _ in 0..self.rng.usize(100..=200) {
            sleep(Duration::from_millis(self.rng.u64(0..50))).await;
            self.hubs.settle().await;
            self.fail_broker();
            self.fail_hubs();
            self.fail_clients().await;
            if self.record.has_failed() {
                return;
            }
        }
    }

    fn fail_broker(&mut self) {
        let (rng, broker) = (&mut self.rng, &self.broker);
        if !broker.is_up() {
            if chance(rng, 10) {
                self.record.note(|| "the broker is back".to_owned());
                broker.set_up(true);
            }
            return;
        }
        let what = match rng.u32(0..200) {
            0..3 => "broker down",
            3..12 => "tails cut",
            12..18 => "tails hung up",
            18..26 => "foreign messages",
            26..29 => "purges",
            29..31 if self.loses_history => "streams deleted",
            31..34 if self.loses_history => "sequences gone back",
            _ => return,
        };
        self.record.count(what);
        self.record.note(|| format!("fault: {what}"));
        match what {
            "broker down" => broker.set_up(false),
            "tails cut" => broker.cut_one(Ending::Error),
            "tails hung up" => broker.cut_one(Ending::HangUp),
            "foreign messages" => broker.store_foreign(),
            "purges" => broker.purge(),
            "streams deleted" => broker.delete(),
            _ => broker.go_back(rng.u64(1..20)),
        }
    }

    fn fail_hubs(&mut self) {
        for number in 0..self.hubs.count() {
            if chance(&mut self.rng, 20) {
                self.hubs.start(number, &mut self.rng);
            }
        }
        let number = self.rng.usize(0..self.hubs.count());
        match self.rng.u32(0..100) {
            0..2 => self.kill(number),
            2..4 => self.hubs.close(number),
            _ => {}
        }
        self.remove_closed(15);
    }

    async fn fail_clients(&mut self) {
        for client in &mut self.clients {
            if !client.is_connected().await {
                if chance(&mut self.rng, 30) {
                    connect(client, &self.hubs, &mut self.rng);
                }
            } else if chance(&mut self.rng, 3) {
                self.record.count("clients cut");
                client.cut();
            }
        }
    }

    /// Stops all failures, and checks that all clients get everything within [`RECOVERY`].
    async fn run_without_faults(&mut self) {
        self.record.note(|| "no further faults".to_owned());
        self.broker.set_fault_rates(FaultRates::NONE);
        self.broker.set_up(true);
        let is_over = |world: &mut Self| world.publishing.iter().all(JoinHandle::is_finished);
        self.settle("publishers are not done", is_over).await;
        for publishing in self.publishing.drain(..) {
            publishing.await.expect("a publisher does not panic");
        }
        self.settle("hubs are not up", |world| world.hubs.are_all_open()).await;
        // The hardest moment for a purge: while a hub starts, and nothing is published for a while after it.
        self.kill(0);
        self.hubs.start(0, &mut self.rng);
        sleep(Duration::from_millis(self.rng.u64(0..30))).await;
        self.broker.purge();
        self.settle("hubs are not up", |world| world.hubs.are_all_open()).await;
        // A client that has missed the newest notification, because it was purged, gets the gap before the next one.
        let mut last = Publisher {
            number: usize::MAX,
            hubs: self.hubs.clone(),
            broker: self.broker.clone(),
            record: self.record.clone(),
            rng: self.rng.fork(),
        };
        last.publish_surely(0).await;
        let have_all = |world: &mut Self| world.clients.iter().all(Client::has_all);
        self.settle("clients have not got everything", have_all).await;
        self.clients.iter().for_each(Client::note_place);
        self.check_stored_once();
    }

    async fn settle(&mut self, problem: &str, mut is_settled: impl FnMut(&mut Self) -> bool) {
        let mut left = RECOVERY.as_millis() / TICK.as_millis();
        while !is_settled(self) && !self.record.has_failed() {
            if left == 0 {
                return self.record.fail(format!("{problem} after {RECOVERY:?} without faults"));
            }
            left -= 1;
            sleep(TICK).await;
            self.hubs.settle().await;
            self.remove_closed(100);
            for number in 0..self.hubs.count() {
                self.hubs.start(number, &mut self.rng);
            }
            for client in &mut self.clients {
                if !client.is_connected().await {
                    connect(client, &self.hubs, &mut self.rng);
                }
            }
        }
    }

    fn check_stored_once(&self) {
        let state = self.broker.state();
        for history in &state.histories {
            let mut counts = BTreeMap::new();
            for notification in history.all() {
                *counts.entry(notification.as_text()).or_insert(0) += 1;
            }
            if let Some((text, count)) = counts.iter().find(|(_, count)| **count > 1) {
                self.record.fail(format!("{text:?} is stored {count} times in {}", history.epoch));
            }
        }
    }

    /// Removes closed hubs after a while.
    fn remove_closed(&mut self, percent: u32) {
        for (number, hub) in self.hubs.up() {
            if hub.pool().closed().is_some() && chance(&mut self.rng, percent) {
                self.kill(number);
            }
        }
    }

    fn kill(&mut self, number: usize) {
        self.hubs.kill(number);
        for client in &mut self.clients {
            client.cut_from(number);
        }
    }
}

fn connect(client: &mut Client, hubs: &Hubs, rng: &mut Rng) {
    let up = hubs.up();
    if let Some((number, hub)) = rng.choice(&up) {
        client.connect(hub, *number);
    }
}
