//! The list of figures: what a comparison tells, in the order in which it tells it.
//!
//! A new figure is one line in [`FIGURES`], or in [`BACKPLANE`] where hubs share a stream; the table, the
//! page and the JSON follow.

use serde::{Deserialize, Serialize};

use crate::record::{Cell, Latency, Measured};
use crate::stats::Spread;

/// The unit of a figure, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many a second.
    PerSecond,
    /// Microseconds of CPU time.
    Micros,
    /// Milliseconds.
    Millis,
    /// Bytes.
    Bytes,
    /// Hundredths, as of a core's time.
    Percent,
    /// A plain number.
    Number,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) group: &'static str,
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
    pub(crate) telling: bool,
    pub(crate) of: fn(&Cell) -> Option<f64>,
}

impl Unit {
    /// Its sign, with which a label ends.
    pub fn sign(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Bytes => "B",
            Self::Percent => "%",
            Self::Number => "",
        }
    }

    /// The value with three telling digits, thousands parted by a thin space.
    pub fn write(self, value: f64) -> String {
        Digits { last: self.three_digits(value) }.write(value)
    }

    /// Returns the digits that the spread of a figure allows: the last one is of the size of half the range, and
    /// there are three at most. A single sample says nothing of its spread, so a time or a rate has two then.
    pub(crate) fn digits(self, spread: &Spread) -> Digits {
        let three = self.three_digits(spread.median);
        let Some(first) = place(spread.median) else { return Digits { last: three } };
        let is_steady = matches!(self, Self::Bytes | Self::Number);
        let uncertain = match spread.n {
            1 if is_steady => None,
            1 => Some(first - 1),
            _ => place((spread.max - spread.min) / 2.0),
        };
        let last = uncertain.map_or(three, |uncertain| uncertain.max(three).min(first.max(three)));
        Digits { last }
    }

    /// The place of the last of three digits; whole numbers are not cut.
    fn three_digits(self, value: f64) -> i32 {
        let size = value.abs();
        let counted = matches!(self, Self::PerSecond | Self::Bytes) && size >= 10.0;
        match size {
            _ if counted || size >= 100.0 || size == 0.0 => 0,
            _ if size >= 10.0 => -1,
            _ if size >= 1.0 => -2,
            _ => -3,
        }
    }
}

/// How exactly a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    /// The power of ten of the last digit: -2 writes hundredths, 3 whole thousands.
    last: i32,
}

impl Digits {
    /// The value, thousands parted by a thin space.
    pub(crate) fn write(self, value: f64) -> String {
        if self.last > 0 {
            let unit = 10_f64.powi(self.last);
            return parted(&format!("{:.0}", (value / unit).round() * unit));
        }
        let digits = self.last.unsigned_abs() as usize;
        parted(&format!("{value:.digits$}"))
    }
}

/// The power of ten of the first digit; `None` for zero.
fn place(value: f64) -> Option<i32> {
    (value != 0.0).then(|| value.abs().log10().floor() as i32)
}

fn parted(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, part) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
    let mut text = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text + part
}

macro_rules! figures {
    ($(#[$doc:meta])* $name:ident: $($key:literal $group:literal $label:literal $unit:ident $telling:literal $of:expr;)*) => {
        $(#[$doc])*
        pub(crate) static $name: &[Figure] = &[$(Figure {
            key: $key,
            group: $group,
            label: $label,
            unit: Unit::$unit,
            telling: $telling,
            of: $of,
        }),*];
    };
}

figures! {
    /// Of a transport, or of whatever else delivers.
    FIGURES:
    "connect.rate" "Connect" "connections" PerSecond false |c| Some(c.connect.rate());
    "connect.cpu" "Connect" "server CPU each" Micros true |c| c.connect.server_cpu_us();
    "connect.bytes" "Connect" "bytes each, both ways" Bytes false
        |c| Some((c.connect.received_bytes + c.connect.sent_bytes) as f64 / c.connect.clients as f64);
    "idle.memory" "Idle" "server memory a client, bytes" Bytes true
        |c| Some(c.idle?.bytes_each(c.connect.clients));

    "steady.rate" "Steady" "deliveries" PerSecond true |c| Some(c.steady.rate());
    "steady.cpu" "Steady" "server CPU a delivery" Micros true |c| c.steady.server_cpu_us();
    "steady.p50" "Steady" "latency p50" Millis true |c| millis(&c.steady, |l| l.p50);
    "steady.p90" "Steady" "latency p90" Millis false |c| millis(&c.steady, |l| l.p90);
    "steady.p99" "Steady" "latency p99" Millis false |c| millis(&c.steady, |l| l.p99);
    "steady.p999" "Steady" "latency p99.9" Millis false |c| millis(&c.steady, |l| l.p999);
    "steady.max" "Steady" "latency max" Millis false |c| millis(&c.steady, |l| l.max);
    "steady.received" "Steady" "bytes received a delivery" Bytes true
        |c| Some(c.steady.each(c.steady.received_bytes));
    "steady.sent" "Steady" "bytes sent a delivery" Bytes true
        |c| Some(c.steady.each(c.steady.sent_bytes));
    "steady.requests" "Steady" "requests a delivery" Number false
        |c| Some(c.steady.each(c.steady.requests));

    "burst.rate" "Burst" "deliveries" PerSecond true |c| Some(c.burst.rate());
    "burst.cpu" "Burst" "server CPU a delivery" Micros true |c| c.burst.server_cpu_us();
    "burst.p50" "Burst" "latency p50" Millis true |c| millis(&c.burst, |l| l.p50);
    "burst.p90" "Burst" "latency p90" Millis false |c| millis(&c.burst, |l| l.p90);
    "burst.p99" "Burst" "latency p99" Millis false |c| millis(&c.burst, |l| l.p99);
    "burst.p999" "Burst" "latency p99.9" Millis false |c| millis(&c.burst, |l| l.p999);
    "burst.max" "Burst" "latency max" Millis false |c| millis(&c.burst, |l| l.max);
    "burst.received" "Burst" "bytes received a delivery" Bytes true
        |c| Some(c.burst.each(c.burst.received_bytes));
    "burst.sent" "Burst" "bytes sent a delivery" Bytes true
        |c| Some(c.burst.each(c.burst.sent_bytes));
    "burst.requests" "Burst" "requests a delivery" Number false
        |c| Some(c.burst.each(c.burst.requests));

    "saturation.rate" "Saturation" "deliveries" PerSecond true |c| Some(c.saturation.rate());
    "saturation.cpu" "Saturation" "server CPU a delivery" Micros true |c| c.saturation.server_cpu_us();
    "saturation.received" "Saturation" "bytes received a delivery" Bytes true
        |c| Some(c.saturation.each(c.saturation.received_bytes));
    "saturation.requests" "Saturation" "requests a delivery" Number false
        |c| Some(c.saturation.each(c.saturation.requests));

    "integrity.lost" "Integrity" "lost" Number false |c| Some(c.integrity.lost as f64);
    "integrity.duplicated" "Integrity" "duplicated" Number false
        |c| Some(c.integrity.duplicated as f64);
    "integrity.reordered" "Integrity" "reordered" Number false
        |c| Some(c.integrity.reordered as f64);
}

figures! {
    /// Of hubs that share a stream: what the engine below them costs, and whom.
    BACKPLANE:
    "steady.answer.p50" "Steady" "publish answered p50" Millis true
        |c| answered(&c.steady, |l| l.p50);
    "steady.answer.p99" "Steady" "publish answered p99" Millis false
        |c| answered(&c.steady, |l| l.p99);
    "steady.p50" "Steady" "delivery p50" Millis true |c| millis(&c.steady, |l| l.p50);
    "steady.p99" "Steady" "delivery p99" Millis false |c| millis(&c.steady, |l| l.p99);
    "steady.cpu" "Steady" "CPU of all hubs a delivery" Micros true |c| c.steady.server_cpu_us();
    "steady.engine" "Steady" "CPU of the engine a publish" Micros true
        |c| c.steady.engine_cpu_us();

    "burst.answer.p50" "Burst" "publish answered p50" Millis true
        |c| answered(&c.burst, |l| l.p50);
    "burst.answer.p99" "Burst" "publish answered p99" Millis false
        |c| answered(&c.burst, |l| l.p99);
    "burst.p50" "Burst" "delivery p50" Millis true |c| millis(&c.burst, |l| l.p50);
    "burst.p99" "Burst" "delivery p99" Millis false |c| millis(&c.burst, |l| l.p99);
    "burst.cpu" "Burst" "CPU of all hubs a delivery" Micros true |c| c.burst.server_cpu_us();
    "burst.engine" "Burst" "CPU of the engine a publish" Micros true |c| c.burst.engine_cpu_us();

    "saturation.rate" "Saturation" "deliveries" PerSecond true |c| Some(c.saturation.rate());
    "saturation.cpu" "Saturation" "CPU of all hubs a delivery" Micros true
        |c| c.saturation.server_cpu_us();
    "saturation.engine" "Saturation" "CPU of the engine a publish" Micros true
        |c| c.saturation.engine_cpu_us();

    "integrity.lost" "Integrity" "lost" Number false |c| Some(c.integrity.lost as f64);
    "integrity.duplicated" "Integrity" "duplicated" Number false
        |c| Some(c.integrity.duplicated as f64);
    "integrity.reordered" "Integrity" "reordered" Number false
        |c| Some(c.integrity.reordered as f64);
}

fn answered(measured: &Measured, of: fn(&Latency) -> f64) -> Option<f64> {
    Some(of(measured.answered.as_ref()?) / 1e3)
}

fn millis(measured: &Measured, of: fn(&Latency) -> f64) -> Option<f64> {
    Some(of(measured.latency.as_ref()?) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_telling_digits_and_parted_thousands() {
        let written = [0.0, 0.004_21, 1.234, 12.34, 123.4, 39_876.6].map(|v| Unit::Millis.write(v));
        let expected = ["0", "0.004", "1.23", "12.3", "123", "39\u{202f}877"];
        assert_eq!(written, expected);
        assert_eq!(Unit::Bytes.write(-1_234_567.0), "-1\u{202f}234\u{202f}567");
        assert_eq!(Unit::Bytes.write(48.6), "49");
    }

    #[test]
    fn a_figure_has_as_many_digits_as_its_spread_allows() {
        let written = |unit: Unit, samples: &[f64]| {
            let spread = Spread::of(samples.iter().copied()).unwrap();
            let digits = unit.digits(&spread);
            [spread.median, spread.min, spread.max].map(|value| digits.write(value)).join(" ")
        };
        for (unit, samples, expected) in [
            (Unit::Micros, &[3.81, 3.24, 3.91][..], "3.8 3.2 3.9"),
            (Unit::Micros, &[3.81, 3.68, 3.82], "3.81 3.68 3.82"),
            (Unit::Micros, &[3.81], "3.8 3.8 3.8"),
            (Unit::Millis, &[12.0, 3.0, 40.0], "10 0 40"),
            (
                Unit::PerSecond,
                &[39_877.0, 38_100.0, 41_900.0],
                "40\u{202f}000 38\u{202f}000 42\u{202f}000",
            ),
            (Unit::Bytes, &[187.2, 187.3], "187 187 187"),
            (Unit::Bytes, &[187.2], "187 187 187"),
            (Unit::Number, &[0.0, 0.0, 2.0], "0 0 2"),
            (Unit::Millis, &[0.0042, 0.0042], "0.004 0.004 0.004"),
        ] {
            assert_eq!(written(unit, samples), expected, "{samples:?}");
        }
    }

    #[test]
    fn no_key_is_given_twice() {
        for figures in [FIGURES, BACKPLANE] {
            let mut keys: Vec<&str> = figures.iter().map(|figure| figure.key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), figures.len());
        }
    }
}
