//! Runs a thousand schedules, or repeats one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::record::Outcome;
use super::world;

/// The number of schedules, unless `TIDINGS_SCHEDULES` is set.
const SCHEDULES: u64 = 1000;

/// The number of failed schedules after which no further ones are run.
const ENOUGH: usize = 10;

#[test]
fn clients_get_everything_or_a_gap_whatever_fails() {
    if let Some(seed) = number("TIDINGS_SEED") {
        return replay(seed);
    }
    let count = number("TIDINGS_SCHEDULES").unwrap_or(SCHEDULES);
    let (next, broken) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    let counts: Mutex<BTreeMap<_, u64>> = Mutex::new(BTreeMap::new());
    let run_all = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < count
            && broken.lock().unwrap().len() < ENOUGH
        {
            let outcome = run(seed, false);
            if let Some(failure) = outcome.failure {
                broken.lock().unwrap().insert(seed, failure);
            }
            let mut counts = counts.lock().unwrap();
            for (what, count) in outcome.counts {
                *counts.entry(what).or_default() += count;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(run_all);
        }
    });
    println!("{:#?}", counts.into_inner().unwrap());
    let broken = broken.into_inner().unwrap();
    for (seed, failure) in &broken {
        println!("seed {seed}: {failure}");
    }
    if let Some((seed, failure)) = broken.first_key_value() {
        panic!(
            "{} schedules failed, the first is seed {seed}: {failure}\n\n\
             to repeat it:\n\
             TIDINGS_SEED={seed} cargo test -p tidings-core --test simulation -- --nocapture",
            broken.len(),
        );
    }
}

#[test]
fn a_schedule_depends_only_on_its_seed() {
    for seed in 0..20 {
        let (one, other) = (run(seed, true), run(seed, true));
        let differs = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one, other, "seed {seed}");
        assert!(one.trace.len() > 100, "seed {seed} does nothing");
    }
}

fn replay(seed: u64) {
    let outcome = run(seed, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    assert_eq!(outcome.failure, None, "seed {seed}");
}

/// Runs a schedule. A panic is reported as a failure, so that it is printed with its seed.
fn run(seed: u64, is_traced: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| world::run(seed, is_traced))).unwrap_or_else(|_| Outcome {
        failure: Some("a task panicked, see above".to_owned()),
        ..Outcome::default()
    })
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("invalid {variable} {text:?}: expected a number")))
}
