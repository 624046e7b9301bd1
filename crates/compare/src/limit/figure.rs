//! What is divided by what, within one sample.

use super::sample::Sample;
use crate::figures::Unit;

/// A figure of a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    Delivery,
    Publish,
    Connection,
    P99,
    Memory,
    Heartbeats,
    FanOut,
}

impl Figure {
    /// The heading of its rows.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Delivery => "CPU a delivery",
            Self::Publish => "CPU a publish, delivered",
            Self::Connection => "CPU a connection",
            Self::P99 => "latency p99",
            Self::Memory => "memory a quiet client",
            Self::Heartbeats => "CPU of quiet clients",
            Self::FanOut => "deliveries a second, unread",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Delivery | Self::Publish | Self::Connection => Unit::Micros,
            Self::P99 => Unit::Millis,
            Self::Memory => Unit::Bytes,
            Self::Heartbeats => Unit::Percent,
            Self::FanOut => Unit::PerSecond,
        }
    }

    /// In [`unit`](Self::unit)s; `None` where the sample does not know it.
    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        let load = &sample.load;
        match self {
            Self::Delivery => each(sample.server_cpu_ns?, load.deliveries, 1e3),
            Self::Publish => each(sample.server_cpu_ns?, load.publishes, 1e3),
            Self::Connection => each(sample.server_cpu_ns?, load.connections, 1e3),
            Self::P99 => Some(load.p99_ns? as f64 / 1e6),
            Self::Memory => {
                let growth = sample.pss_after? as f64 - sample.pss_before? as f64;
                (sample.clients > 0).then(|| growth / sample.clients as f64)
            }
            Self::Heartbeats => {
                let window = sample.window?;
                each(window.server_cpu_ns?, window.wall_ns, 1e-2)
            }
            Self::FanOut => each(load.deliveries, sample.fan_out_ns?, 1e-9),
        }
    }
}

/// A part of the whole, in units of `unit`; nothing of nothing is not known.
fn each(part: u64, whole: u64, unit: f64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::sample::Window;
    use crate::limit::sample::tests::sample;

    #[test]
    fn each_figure_is_in_its_unit() {
        let mut sample = sample("a run", 1);
        sample.server_cpu_ns = Some(6_000_000);
        sample.load.deliveries = 4_000;
        sample.load.publishes = 40;
        sample.load.connections = 100;
        sample.load.p99_ns = Some(2_500_000);
        (sample.clients, sample.pss_before, sample.pss_after) = (100, Some(5_000), Some(95_000));
        sample.window = Some(Window { wall_ns: 2_000_000_000, server_cpu_ns: Some(10_000_000) });
        sample.fan_out_ns = Some(2_000_000);
        for (figure, expected) in [
            (Figure::Delivery, 1.5),
            (Figure::Publish, 150.0),
            (Figure::Connection, 60.0),
            (Figure::P99, 2.5),
            (Figure::Memory, 900.0),
            (Figure::Heartbeats, 0.5),
            (Figure::FanOut, 2_000_000.0),
        ] {
            let value = figure.of(&sample).unwrap();
            assert!((value - expected).abs() < 1e-6 * expected, "{figure:?}: {value}");
        }
    }

    #[test]
    fn nothing_delivered_costs_nothing_that_could_be_told() {
        let mut sample = sample("a run", 1);
        sample.load.deliveries = 0;
        assert_eq!(Figure::Delivery.of(&sample), None);
    }
}
