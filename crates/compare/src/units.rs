//! Units, and the text of figures.

use serde::{Deserialize, Serialize};

use crate::stats::Spread;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events per second.
    PerSecond,
    /// Microseconds of CPU time.
    Micros,
    /// Milliseconds.
    Millis,
    /// Bytes.
    Bytes,
    /// Percent, for example of the time of a core.
    Percent,
    /// A plain number.
    Number,
    /// A whole number, such as that of tabs.
    Count,
}

impl Unit {
    /// Returns the sign at the end of a label.
    pub fn sign(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Bytes => "B",
            Self::Percent => "%",
            Self::Number | Self::Count => "",
        }
    }

    /// The median of a figure as text with its unit, such as `9.9 µs`.
    pub(crate) fn with_sign(self, spread: &Spread) -> String {
        let digits = self.digits(spread);
        let figure = digits.write(spread.median);
        match self {
            Self::Millis if spread.median >= 10_000.0 => {
                format!("{} s", Digits { last: digits.last - 3 }.write(spread.median / 1e3))
            }
            Self::PerSecond => format!("{figure}/s"),
            Self::Number | Self::Count => figure,
            _ => format!("{figure} {}", self.sign()),
        }
    }

    /// A label with its unit. Labels of bytes and numbers already contain it.
    pub(crate) fn labelled(self, label: &str) -> String {
        match self {
            Self::PerSecond => format!("{label}/s"),
            Self::Micros | Self::Millis | Self::Percent => format!("{label}, {}", self.sign()),
            Self::Bytes | Self::Number | Self::Count => label.to_owned(),
        }
    }

    /// The digits that the spread of a figure allows. The last digit has the size of half the range, and there are at
    /// most three digits. A single sample has no spread, so a time or a rate has two digits then. There is one digit only
    /// if that changes the median by less than a tenth.
    pub(crate) fn digits(self, spread: &Spread) -> Digits {
        let three = self.three_digits(spread.median);
        let Some(first) = place(spread.median) else { return Digits { last: three } };
        let is_steady = matches!(self, Self::Bytes | Self::Number | Self::Count);
        let uncertain = match spread.n {
            1 if is_steady => None,
            1 => Some(first - 1),
            _ => place((spread.max - spread.min) / 2.0),
        };
        let one = Digits { last: first.max(three) };
        let is_close =
            (one.rounded(spread.median) - spread.median).abs() < spread.median.abs() / 10.0;
        let fewest = if is_close { one.last } else { one.last.min((first - 1).max(three)) };
        Digits { last: uncertain.map_or(three, |uncertain| uncertain.max(three).min(fewest)) }
    }

    /// The power of ten of the last of three digits. Whole numbers are not rounded.
    fn three_digits(self, value: f64) -> i32 {
        let size = value.abs();
        let counted = matches!(self, Self::PerSecond | Self::Bytes) && size >= 10.0;
        match size {
            _ if counted || self == Self::Count || size >= 100.0 || size == 0.0 => 0,
            _ if size >= 10.0 => -1,
            _ if size >= 1.0 => -2,
            _ => -3,
        }
    }
}

/// The precision of a written figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    /// The power of ten of the last digit: -2 writes hundredths, 3 whole thousands.
    last: i32,
}

impl Digits {
    /// Separates thousands with commas.
    pub(crate) fn write(self, value: f64) -> String {
        if self.last > 0 {
            return separated(&format!("{:.0}", self.rounded(value)));
        }
        let digits = self.last.unsigned_abs() as usize;
        separated(&format!("{value:.digits$}"))
    }

    fn rounded(self, value: f64) -> f64 {
        let unit = 10_f64.powi(self.last);
        (value / unit).round() * unit
    }
}

/// The power of ten of the first digit, or `None` for zero.
fn place(value: f64) -> Option<i32> {
    (value != 0.0).then(|| value.abs().log10().floor() as i32)
}

/// Inserts commas between thousands.
pub(crate) fn separated(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, part) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
    let mut text = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + part
}

/// A heading within a sentence: its first letter is small, unless it begins with an abbreviation such as `LTE`.
pub(crate) fn uncapitalized(heading: &str) -> String {
    let mut letters = heading.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => heading.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_and_separated_thousands() {
        let write = |unit: Unit, value| Digits { last: unit.three_digits(value) }.write(value);
        let values = [0.0, 0.004_21, 1.234, 12.34, 123.4, 39_876.6];
        let written = values.map(|value| write(Unit::Millis, value));
        let expected = ["0", "0.004", "1.23", "12.3", "123", "39,877"];
        assert_eq!(written, expected);
        assert_eq!(write(Unit::Bytes, -1_234_567.0), "-1,234,567");
        assert_eq!(write(Unit::Bytes, 48.6), "49");
    }

    #[test]
    fn a_figure_has_as_many_digits_as_its_spread_allows() {
        let written = |unit: Unit, samples: &[f64]| {
            let spread = Spread::of(samples.iter().copied()).unwrap();
            let digits = unit.digits(&spread);
            [spread.median, spread.min, spread.max].map(|value| digits.write(value)).join(" ")
        };
        assert_eq!(Unit::Millis.with_sign(&Spread::of([56_123.0]).unwrap()), "56 s");
        for (unit, samples, expected) in [
            (Unit::Micros, &[3.81, 3.24, 3.91][..], "3.8 3.2 3.9"),
            (Unit::Micros, &[3.81, 3.68, 3.82], "3.81 3.68 3.82"),
            (Unit::Micros, &[3.81], "3.8 3.8 3.8"),
            (Unit::Millis, &[12.0, 3.0, 40.0], "12 3 40"),
            (Unit::Millis, &[9.6, 3.0, 40.0], "10 3 40"),
            (Unit::PerSecond, &[39_877.0, 38_100.0, 41_900.0], "40,000 38,000 42,000"),
            (Unit::Bytes, &[187.2, 187.3], "187 187 187"),
            (Unit::Bytes, &[187.2], "187 187 187"),
            (Unit::Number, &[0.0, 0.0, 2.0], "0 0 2"),
            (Unit::Millis, &[0.0042, 0.0042], "0.004 0.004 0.004"),
            (Unit::Count, &[6.0], "6 6 6"),
        ] {
            assert_eq!(written(unit, samples), expected, "{samples:?}");
        }
    }

    #[test]
    fn a_heading_within_a_sentence_keeps_its_abbreviations() {
        for (heading, expected) in [
            ("Steady over TLS", "steady over TLS"),
            ("LTE", "LTE"),
            ("10 missed", "10 missed"),
            ("", ""),
        ] {
            assert_eq!(uncapitalized(heading), expected);
        }
    }
}
