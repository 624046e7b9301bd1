//! The line that says what was measured.

use std::fmt::Write as _;

use super::Report;
use crate::protocol::Command;
use crate::sample::Sample;
use crate::stats::Spread;
use crate::units::separated;
use crate::workload::Payload;

impl Report {
    /// Clients, rates, payloads and rounds in one line. Stages may have more of them than one, or their own ones.
    pub(super) fn subject(&self) -> String {
        let samples = || self.samples.iter();
        let clients = samples().map(|sample| sample.clients as f64);
        let mut parts = vec![format!(
            "{} clients{}",
            range(clients).unwrap_or_default(),
            if self.plan.tls { " over TLS" } else { "" }
        )];
        let rates = samples().filter_map(rate);
        parts.extend(range(rates).map(|rate| format!("{rate} notifications/s")));
        let published = samples().filter(|sample| sample.load.deliveries > 0);
        let mut payloads: Vec<Payload> =
            published.map(|sample| sample.payload.unwrap_or(self.plan.payload)).collect();
        payloads.sort_by_key(|payload| payload.about());
        payloads.dedup();
        parts.extend(match payloads[..] {
            [] => None,
            [Payload::Plain(_)] => Some(format!("{} B payload", lengths(&payloads))),
            [named] => Some(format!("payload of {named}, {} B", named.about())),
            _ => Some(format!("{} B payload", lengths(&payloads))),
        });
        let rounds = self.plan.rounds;
        parts.push(format!("{rounds} round{}", if rounds == 1 { "" } else { "s" }));
        if self.is_interrupted() {
            parts.push("interrupted".to_owned());
        }
        parts.join(" · ")
    }

    /// How often cells were measured again because other work on the machine had disturbed them, and how many samples
    /// are left out of the figures, in a sentence.
    pub(super) fn disturbances(&self) -> String {
        let samples = || self.samples.iter();
        let disturbed = samples().filter(|sample| sample.disturbance() >= 1.0).count();
        let left_out = samples().filter(|sample| sample.is_left_out(&self.samples)).count();
        if self.repeated == 0 && disturbed == 0 {
            return "No other work on the machine was noticed.".to_owned();
        }
        let mut text = format!(
            "Other work on the machine disturbed some measurements. Repeats: {}. Left out of the figures: {left_out} of \
             {} samples.",
            self.repeated,
            self.samples.len()
        );
        if disturbed > left_out {
            let _ = write!(
                text,
                " Not left out, because each round was disturbed: {}.",
                disturbed - left_out
            );
        }
        text
    }
}

/// The notifications per second of a stage with a schedule.
fn rate(sample: &Sample) -> Option<f64> {
    match sample.command? {
        Command::Publish { rate, .. } | Command::RollingRestart { rate, .. } => Some(rate),
        _ => None,
    }
}

fn lengths(payloads: &[Payload]) -> String {
    range(payloads.iter().map(|payload| payload.about() as f64)).unwrap_or_default()
}

/// The least and the greatest of these numbers as text, or one of them if they are the same. `None` if there are none.
fn range(numbers: impl Iterator<Item = f64>) -> Option<String> {
    let Spread { min, max, .. } = Spread::of(numbers)?;
    let [least, most] = [min, max].map(|number| separated(&number.to_string()));
    Some(if least == most { least } else { format!("{least}–{most}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    fn publish(rate: f64) -> Option<Command> {
        Some(Command::Publish { rate, burst: 1, seconds: 1.0, hidden: false })
    }
    #[test]
    fn disturbances_are_named_even_if_nothing_was_repeated_or_left_out() {
        let mut report = sample();
        assert_eq!(report.disturbances(), "No other work on the machine was noticed.");
        report.samples.iter_mut().for_each(|sample| sample.stolen = 0.4);
        let text = report.disturbances();
        assert!(text.contains("figures: 0 of") && text.contains("Not left out"), "{text}");
    }

    #[test]
    fn the_subject_is_what_the_samples_have() {
        let mut report = sample();
        let one = Sample { clients: 10, command: publish(20.0), ..Sample::default() };
        let mut two = Sample { clients: 1_000, ..one.clone() };
        report.samples = vec![one.clone(), two.clone()];
        assert_eq!(report.subject(), "10–1,000 clients · 20 notifications/s · 3 rounds");
        two.load.deliveries = 1;
        (two.payload, two.command) = (Some(Payload::Plain(4096)), publish(500.0));
        report.samples = vec![one, two.clone()];
        let expected = "10–1,000 clients · 20–500 notifications/s · 4,096 B payload · 3 rounds";
        assert_eq!(report.subject(), expected);
        let orders = Sample { payload: Some(Payload::Orders), ..two.clone() };
        report.samples = vec![orders.clone()];
        let expected = "1,000 clients · 500 notifications/s · payload of orders, 227 B · 3 rounds";
        assert_eq!(report.subject(), expected);
        report.samples = vec![two, orders];
        assert!(report.subject().contains(" · 227–4,096 B payload · "), "{}", report.subject());
    }
}
