//! For whom a scenario is played.
#![allow(clippy::needless_pass_by_value, reason = "a scenario is written where it is handed over")]

use tidings_core::{HubConfig, Retention};
use tidings_transport::Shape;

use crate::support::{Broker, Case, Mover, all_listed, among};

/// Every way of moving bytes.
const WAYS: [Mover; 3] = [Mover::LANE, Mover::PLAIN_LANE, Mover::STREAM];

/// The ways, over the brokers.
const OVER_BROKERS: [Mover; 4] = [
    Mover::LANE.over(Broker::Nats),
    Mover::STREAM.over(Broker::Nats),
    Mover::LANE.over(Broker::Redis),
    Mover::STREAM.over(Broker::Redis),
];

fn cases(movers: &[Mover], fits: impl Fn(Shape) -> bool) -> Vec<Case> {
    let all = all_listed()
        .into_iter()
        .flat_map(|listed| movers.iter().map(move |&mover| Case { listed: listed.clone(), mover }));
    all.filter(|case| fits(case.shape())).collect()
}

/// Every transport by every way, for a scenario over the model.
pub(super) fn every(scenario: impl AsyncFn(&Case)) {
    among(&cases(&WAYS, |_| true), &scenario);
}

/// The transports of such a shape by every way.
pub(super) fn every_shaped(fits: impl Fn(Shape) -> bool, scenario: impl AsyncFn(&Case)) {
    among(&cases(&WAYS, fits), &scenario);
}

/// Every way, for a scenario that is not of one transport.
pub(super) fn every_way(scenario: impl AsyncFn(Mover)) {
    ways(&WAYS, scenario);
}

/// The lanes alone.
pub(super) fn every_lane(scenario: impl AsyncFn(Mover)) {
    ways(&WAYS[..2], scenario);
}

/// Every transport by every way over every broker.
pub(super) fn every_over_brokers(scenario: impl AsyncFn(&Case)) {
    among(&cases(&OVER_BROKERS, |_| true), &scenario);
}

/// Every way over every broker, for a scenario that brings its transports itself.
pub(super) fn every_broker(scenario: impl AsyncFn(Mover)) {
    ways(&OVER_BROKERS, scenario);
}

fn ways(movers: &[Mover], scenario: impl AsyncFn(Mover)) {
    // Which transport it is does not matter: the case is there for its mover.
    among(&cases(movers, |_| true)[..movers.len()], &async |case: &Case| {
        scenario(case.mover).await;
    });
}

pub(super) fn is_answer(shape: Shape) -> bool {
    matches!(shape, Shape::Answer { .. })
}

/// A hub that keeps so many itself.
pub(super) fn keeping(entries: usize) -> HubConfig {
    HubConfig::default().retention(Retention::default().entries(entries))
}

/// A request that publishes.
pub(super) fn post(topic: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /topics/{topic} HTTP/1.1\r\nHost: hub\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(super) const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
