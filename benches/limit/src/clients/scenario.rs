//! The scenarios, each from top to bottom as it happens.

use crate::clients::control;
use crate::clients::failure::Failure;
use crate::clients::inbox::Gone;
use crate::clients::load::{Load, NEVER};

/// How many clients are on their way at once where connecting is not what is measured.
const GENTLY: usize = 64;

/// Notifications at a rate, whether or not the ones before have arrived.
pub(crate) fn steady(
    load: &mut Load,
    publishes: u64,
    burst: u64,
    rate: u64,
) -> Result<(), Failure> {
    load.gather(GENTLY)?;
    warm_up(load)?;
    ready(load)?;
    let part = load.begin(load.score.upcoming(publishes));
    let mut published = 0;
    while published < publishes {
        // From the start, so that no lateness adds up.
        let at = part.start + (u128::from(published) * 1_000_000_000 / u128::from(rate)) as u64;
        while load.clock.now() < at {
            load.turn(at)?;
        }
        let count = burst.min(publishes - published);
        load.burst(count, at)?;
        published += count;
    }
    let deadline = load.deadline();
    load.settle(deadline)?;
    load.end(&part, true)?;
    load.linger(NEVER)
}

/// Notifications as fast as the server answers.
pub(crate) fn saturate(load: &mut Load, publishes: u64) -> Result<(), Failure> {
    load.gather(GENTLY)?;
    warm_up(load)?;
    ready(load)?;
    let part = load.begin(load.score.upcoming(publishes));
    let deadline = load.deadline();
    load.pipeline(publishes)?;
    load.settle(deadline)?;
    load.end(&part, true)?;
    load.linger(NEVER)
}

/// Connections and handshakes.
pub(crate) fn connect(load: &mut Load, concurrency: usize) -> Result<(), Failure> {
    arrive(load, concurrency)?;
    load.linger(NEVER)
}

/// Clients that are there and hear nothing but heartbeats, from the result on until the parent has seen enough, or
/// has forgotten them.
pub(crate) fn idle(load: &mut Load, nanoseconds: u64) -> Result<(), Failure> {
    arrive(load, GENTLY)?;
    let forgotten = load.deadline() + nanoseconds;
    load.linger(forgotten)
}

/// Measures how everyone connects.
fn arrive(load: &mut Load, concurrency: usize) -> Result<(), Failure> {
    ready(load)?;
    let part = load.begin(0..0);
    load.gather(concurrency)?;
    load.end(&part, false)
}

/// Clients that come back all at once and have missed everything.
pub(crate) fn resume(load: &mut Load, log: u64) -> Result<(), Failure> {
    let deadline = load.deadline();
    load.pipeline(log)?;
    load.settle(deadline)?;
    if !load.publisher.is_done() {
        return Err(Failure::new("the log is not published in time; give it more --patience"));
    }
    ready(load)?;
    let part = load.begin(0..log);
    let deadline = load.deadline();
    load.throng()?;
    load.crowd.ask_all(&mut load.score);
    load.settle(deadline)?;
    // A loss on the way is a result; a server that does not know the question is none.
    if let Some(reason @ Gone::Refused(_)) = &load.crowd.reason {
        return Err(Failure::new(format_args!("a client cannot resume: {reason}")));
    }
    load.end(&part, false)?;
    load.linger(NEVER)
}

/// Notifications that nobody reads before all are published.
pub(crate) fn flood(load: &mut Load, publishes: u64) -> Result<(), Failure> {
    load.gather(GENTLY)?;
    warm_up(load)?;
    ready(load)?;
    let part = load.begin(load.score.upcoming(publishes));
    load.crowd.look_away(&load.epoll)?;
    let deadline = load.deadline();
    load.pipeline(publishes)?;
    while !load.publisher.is_done() && load.clock.now() < deadline {
        load.turn(deadline)?;
    }
    control::tell("published")?;
    load.wait_for_line()?;
    let deadline = load.deadline();
    load.crowd.look_back(&load.epoll)?;
    load.settle(deadline)?;
    load.end(&part, false)?;
    load.linger(NEVER)
}

/// One notification to everyone, so that no first time is measured and every subscription is known to stand.
fn warm_up(load: &mut Load) -> Result<(), Failure> {
    let topics = load.crowd.requests.topics;
    load.begin(load.score.upcoming(topics));
    let deadline = load.deadline();
    load.pipeline(topics)?;
    load.settle(deadline)?;
    let missing = load.score.due;
    if missing > 0 || load.crowd.gone > 0 {
        return Err(Failure::new(format_args!(
            "{missing} clients did not get the first notification; is the server healthy?"
        )));
    }
    Ok(())
}

/// Tells the parent that what is measured comes next, and waits for its line.
fn ready(load: &mut Load) -> Result<(), Failure> {
    control::tell("ready")?;
    load.wait_for_line()
}
