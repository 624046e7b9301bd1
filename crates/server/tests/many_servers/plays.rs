//! The cases for which a scenario is played.
#![allow(clippy::needless_pass_by_value, reason = "a scenario is written where it is handed over")]

use tidings_core::{HubConfig, Retention};
use tidings_transport::Shape;

use crate::support::{Broker, Case, Mover, all_listed, among};

/// Every mover without a broker.
const WAYS: [Mover; 3] = [Mover::LANE, Mover::PLAIN_LANE, Mover::STREAM];

/// Movers with the brokers.
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

/// Plays a scenario with the model for every transport by every mover.
pub(super) fn every(scenario: impl AsyncFn(&Case)) {
    among(&cases(&WAYS, |_| true), &scenario);
}

/// Plays a scenario with the model for the transports whose shape fits.
pub(super) fn every_shaped(fits: impl Fn(Shape) -> bool, scenario: impl AsyncFn(&Case)) {
    among(&cases(&WAYS, fits), &scenario);
}

/// Plays a scenario with the model that does not depend on the transport, by every mover.
pub(super) fn every_way(scenario: impl AsyncFn(Mover)) {
    ways(&WAYS, scenario);
}

/// Plays a scenario with the model that does not depend on the transport, by lanes.
pub(super) fn every_lane(scenario: impl AsyncFn(Mover)) {
    ways(&WAYS[..2], scenario);
}

/// Plays a scenario for every transport over every broker.
pub(super) fn every_over_brokers(scenario: impl AsyncFn(&Case)) {
    among(&cases(&OVER_BROKERS, |_| true), &scenario);
}

/// Plays a scenario that does not depend on the transport, over every broker.
pub(super) fn every_broker(scenario: impl AsyncFn(Mover)) {
    ways(&OVER_BROKERS, scenario);
}

fn ways(movers: &[Mover], scenario: impl AsyncFn(Mover)) {
    // The transport of the case is ignored.
    among(&cases(movers, |_| true)[..movers.len()], &async |case: &Case| {
        scenario(case.mover).await;
    });
}

pub(super) fn is_answer(shape: Shape) -> bool {
    matches!(shape, Shape::Answer { .. })
}

pub(super) fn keeping(entries: usize) -> HubConfig {
    HubConfig::default().retention(Retention::default().entries(entries))
}

pub(super) fn post(topic: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /topics/{topic} HTTP/1.1\r\nHost: hub\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(super) const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
