//! The list of measures: what is computed from a sample.

use crate::latency::Latency;
use crate::protocol::Outcome;
use crate::sample::{Sample, each};
use crate::units::Unit;

/// A figure that a stage can have.
#[derive(Debug)]
pub(crate) struct Measure {
    /// The second part of the figure's key, such as `p99` in `steady.p99`.
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
    /// `true` if a wide spread causes a warning. The tails of distributions always have a wide spread.
    pub(crate) warns_if_wide: bool,
    /// The value of a sample, or `None` if it is not known.
    pub(crate) of: fn(&Sample) -> Option<f64>,
}

macro_rules! measures {
    ($($constant:ident $name:literal $label:literal $unit:ident $warns:literal $of:expr;)*) => {
        $(pub(crate) const $constant: Measure = Measure {
            name: $name,
            label: $label,
            unit: Unit::$unit,
            warns_if_wide: $warns,
            of: $of,
        };)*
    };
}

measures! {
    CONNECTIONS "rate" "connections" PerSecond false |s| s.rate(s.clients as u64);
    DELIVERIES "rate" "deliveries" PerSecond true |s| s.rate(s.load.deliveries);
    CPU_PER_CLIENT "cpu" "server CPU per client" Micros true |s| s.cpu_each(s.clients as u64);
    CPU_PER_HEARTBEAT "cpu" "server CPU per client and heartbeat" Micros true |s| s.cpu_each(s.clients as u64);
    CPU_PER_PUBLISH "cpu" "server CPU per publish" Micros true |s| s.cpu_each(s.load.published);
    CPU_PER_DELIVERY "cpu" "server CPU per delivery" Micros true |s| s.cpu_each(s.load.deliveries);
    BROKER_CPU "broker" "broker CPU per publish" Micros true
        |s| each(s.broker_cpu_ns? as f64 / 1e3, s.load.published);
    MEMORY "memory" "bytes of server memory per client" Bytes true |s| s.memory_each();
    KERNEL_MEMORY "kernel" "bytes of kernel memory per client" Bytes true |s| s.kernel_memory_each();
    BYTES_PER_CLIENT "bytes" "bytes per client, both ways" Bytes false
        |s| each((s.load.received_bytes + s.load.sent_bytes) as f64, s.clients as u64);
    RECEIVED "received" "bytes received per delivery" Bytes true |s| s.for_a_delivery(s.load.received_bytes);
    SENT "sent" "bytes sent per delivery" Bytes true |s| s.for_a_delivery(s.load.sent_bytes);
    WIRE "wire" "bytes on the wire per delivery, both ways" Bytes true |s| s.wire_bytes_each(s.load.deliveries);
    WIRE_PER_CLIENT "wire" "bytes on the wire per client, both ways" Bytes true |s| s.wire_bytes_each(s.clients as u64);
    EGRESS "egress" "bytes on the wire per delivery, to the client" Bytes true
        |s| s.egress_each(s.load.deliveries);
    EGRESS_PER_CLIENT "egress" "bytes on the wire per client, to the client" Bytes true
        |s| s.egress_each(s.clients as u64);
    PACKETS "packets" "packets per delivery, both ways" Number false |s| {
        let counts = s.network.as_ref()?.counts;
        s.for_a_delivery(counts.down.packets + counts.up.packets)
    };
    ROUND_TRIP "rtt" "round trip of the network p50" Millis false |s| Some(s.network.as_ref()?.checked.rtt_p50 / 1e3);
    LOSS "loss" "loss of the network, down" Percent false |s| Some(s.network.as_ref()?.checked.loss_down * 100.0);
    REQUESTS "requests" "requests per delivery" Number false |s| s.for_a_delivery(s.load.requests);
    P50 "p50" "latency p50" Millis true |s| millis(&s.load.latency, |l| l.p50);
    P90 "p90" "latency p90" Millis false |s| millis(&s.load.latency, |l| l.p90);
    P99 "p99" "latency p99" Millis false |s| millis(&s.load.latency, |l| l.p99);
    MAX "max" "latency max" Millis false |s| millis(&s.load.latency, |l| l.max);
    ANSWER "answer" "publish answered p50" Millis false |s| millis(&s.load.answered, |l| l.p50);
    CAUGHT_UP "caught-up" "all have caught up after" Millis true |s| Some(s.load.seconds * 1e3);
    MOVED "moved" "moves to another server per client" Number true |s| each(s.load.moved as f64, s.clients as u64);
    NOTICED_HALF "half" "half noticed after" Millis false |s| Some(s.load.noticed_half? * 1e3);
    NOTICED_ALL "all" "all noticed after" Millis false |s| Some(s.load.noticed_all? * 1e3);
    MEMORY_GROWTH "growth" "bytes by which the server has grown" Bytes false
        Sample::memory_growth;
    KERNEL_GROWTH "kernel-growth" "bytes by which the kernel's memory has grown" Bytes false
        Sample::kernel_memory_growth;
    TCP "tcp" "TCP p50" Millis false |s| millis(&s.load.tcp_time, |l| l.p50);
    TLS "tls" "TLS handshake p50" Millis false |s| millis(&s.load.tls_time, |l| l.p50);
    REQUEST "request" "request answered p50" Millis false |s| millis(&s.load.request_time, |l| l.p50);
    REQUEST_P99 "request-p99" "request answered p99" Millis false |s| millis(&s.load.request_time, |l| l.p99);
    CONNECT_TIME "time" "connect, sum of the p50 of its steps" Millis false |s| connect_time(&s.load);
    CONNECTED_TABS "connected" "connected tabs" Count true |s| Some(s.load.connections as f64);
    RECEIVING_TABS "receiving" "tabs that receive" Count true |s| Some(s.load.browser.as_ref()?.receiving as f64);
    RENDERER_CPU "renderer" "renderer CPU per delivery" Micros true
        |s| each(s.load.browser.as_ref()?.renderer_cpu_ns as f64 / 1e3, s.load.deliveries);
    NETWORK_CPU "network" "network service CPU per delivery" Micros true
        |s| each(s.load.browser.as_ref()?.network_cpu_ns as f64 / 1e3, s.load.deliveries);
    TAB_MEMORY "tab" "bytes of renderer memory per tab" Bytes true |s| s.tab_memory();
    LOAD_BUSY "load" "load busy" Percent false |s| Some(s.load_busy? * 100.0);
    LOST "lost" "lost" Number false |s| Some(s.load.lost as f64);
    DUPLICATED "duplicated" "duplicated" Number false |s| Some(s.load.duplicated as f64);
    REORDERED "reordered" "reordered" Number false |s| Some(s.load.reordered as f64);
}

/// The sum of the medians of the steps. QUIC has no step for TCP, and without TLS there is no handshake.
fn connect_time(load: &Outcome) -> Option<f64> {
    let steps = [&load.tcp_time, &load.tls_time, &load.request_time];
    load.request_time.as_ref()?;
    Some(steps.into_iter().flatten().map(|step| step.p50 / 1e3).sum())
}

fn millis(latency: &Option<Latency>, of: fn(&Latency) -> f64) -> Option<f64> {
    Some(of(latency.as_ref()?) / 1e3)
}
