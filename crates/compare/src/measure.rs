//! Measures one cell: one contender in one scenario and one round, with fresh servers and a fresh load.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::certificate::Certificate;
use crate::child::Child;
use crate::contender::{CHROMIUM, Contender};
use crate::cut::wait_until_noticed;
use crate::network::{Network, Profile};
use crate::network_counts::{Checked, Counts};
use crate::pin::Cores;
use crate::plan::Plan;
use crate::proc::{MachineTime, Process};
use crate::protocol::{Command, Outcome, Setup};
use crate::sample::{NetworkSample, Sample};
use crate::sequence::{CONNECT, Sequence, Stage};
use crate::servers::{NotInstalled, Servers};

/// The saturation before the first stage. It warms up the caches, allocators and branch predictors of both sides.
const WARM_UP: Command = Command::Saturate { seconds: 0.1 };

/// That of servers of other projects, some of which compile while they run.
const WARM_UP_OF_PEERS: Command = Command::Saturate { seconds: 1.0 };

/// How long the load serves its clients after the last stage, so that a late duplicate is counted.
const LINGER: Command = Command::Watch { seconds: 0.05 };

/// How long the load waits for clients that connect and for missing notifications. Notifications that are missing after
/// that are lost.
const PATIENCE: f64 = 10.0;

/// How much longer than its own seconds a command may take. The load stops waiting for a server earlier, because its
/// errors are more specific.
const COMMAND: Duration = Duration::from_secs(600);

/// The processes of one cell.
struct Cell<'a> {
    plan: &'a Plan,
    cores: &'a Cores,
    contender: &'a Contender,
    sequence: &'a Sequence,
    round: usize,
    clients: usize,
    /// The simulated network between servers and load, and what was measured on it.
    network: Option<(Arc<Network>, Checked)>,
    servers: Servers,
    load: Child,
}

/// The counters at one instant.
struct Reading {
    at: Instant,
    server_ns: Option<u64>,
    broker_ns: Option<u64>,
    load_ns: Option<u64>,
    own_ns: Option<u64>,
    pss: Option<u64>,
    kernel: Option<u64>,
    machine: MachineTime,
    throttled: u64,
    network: Option<Counts>,
}

/// Measures one cell, with a sample for each stage that has a chosen figure.
///
/// The future is boxed so that it is compiled in this crate. The program is compiled last and should compile quickly.
///
/// # Errors
/// Fails if a server or the load cannot be started or fails.
pub(crate) fn measure<'a>(
    plan: &'a Plan,
    cores: &'a Cores,
    certificate: Option<&'a Certificate>,
    contender: &'a Contender,
    sequence: &'a Sequence,
    round: usize,
) -> Pin<Box<dyn Future<Output = anyhow::Result<Vec<Sample>>> + Send + 'a>> {
    Box::pin(measure_cell(plan, cores, certificate, contender, sequence, round))
}

async fn measure_cell(
    plan: &Plan,
    cores: &Cores,
    certificate: Option<&Certificate>,
    contender: &Contender,
    sequence: &Sequence,
    round: usize,
) -> anyhow::Result<Vec<Sample>> {
    if contender.browser && !is_in_path(CHROMIUM) {
        let missing = NotInstalled::program(CHROMIUM, "https://www.chromium.org", CHROMIUM);
        return Err(missing.into());
    }
    let certificate = certificate.filter(|_| plan.is_over_tls(sequence));
    let network = match sequence.network {
        Some(name) => Some(start_network(name, round).await?),
        None => None,
    };
    let between = network.as_ref().map(|(network, _)| network.clone());
    let args = sequence.serve_args;
    let servers = Servers::start(contender, args, plan, certificate, between, cores).await?;
    let clients = plan.clients(sequence, contender);
    let setup = Setup {
        urls: servers.urls.clone(),
        certificate: certificate.map(|certificate| certificate.chain.clone()),
        keeps_tickets: sequence.resumes_sessions(),
        headers: plan.running.as_ref().map_or(String::new(), |it| it.headers.clone()),
        transport: contender.transport,
        peer: contender.peer().filter(|it| !it.is_proxy).map(|peer| peer.name.to_owned()),
        http2: contender.http2,
        clients,
        publishers: plan.workload.publishers,
        payload: plan.workload_of(sequence).payload,
        compression: contender.compression,
        patience: PATIENCE,
        publishers_in: network.as_ref().map(|(network, _)| network.server().path()),
        hold: sequence.hold,
        own_topics: sequence.own_topics,
        streams: sequence.streams_per_connection(contender),
    };
    let kind = if contender.browser { "browser" } else { "load" };
    let start = || Child::start(&plan.program, &[kind]);
    let mut load = match &network {
        Some((network, _)) => network.clients().inside(start)??,
        None => start()?,
    };
    load.write(&json(&setup)).await?;
    let mut cell =
        Cell { plan, cores, contender, sequence, round, clients, network, servers, load };
    match cell.stages().await {
        Ok(samples) => {
            // The load may have failed meanwhile, so that the last stage had no clients.
            cell.load.finish().await?;
            cell.servers.stop().await;
            Ok(samples)
        }
        // If a server has ended, its error is more specific than that of the load.
        Err(error) => Err(cell.servers.ended().await.unwrap_or(error)),
    }
}

/// Starts a simulated network and measures it. Each round has its own sequence of losses, which is the same for all
/// contenders.
///
/// # Errors
/// Fails with [`Unavailable`](crate::network::Unavailable) if there can be none, and with another error if it is not as
/// its profile says.
async fn start_network(name: &str, round: usize) -> anyhow::Result<(Arc<Network>, Checked)> {
    let profile = Profile::named(name).with_context(|| format!("there is no network {name}"))?;
    let network = Arc::new(Network::start(profile, round as u64)?);
    let checking = network.clone();
    let checked = spawn_blocking(move || checking.check()).await?;
    let checked = checked.with_context(|| format!("the network {name} is not as it should be"))?;
    Ok((network, checked))
}

impl Cell<'_> {
    async fn stages(&mut self) -> anyhow::Result<Vec<Sample>> {
        // Losses and duplicates between the stages count for the next sample.
        let mut aside = run(&mut self.load, Command::Rehearse).await?;
        let mut samples: Vec<Sample> = Vec::new();
        let (mut is_connected, mut is_warm) = (false, false);
        let plan = self.plan;
        let workload = plan.workload_of(self.sequence);
        for stage in self.sequence.stages.iter().filter(|stage| plan.has_stage(stage.name)) {
            let command = (stage.command)(&workload);
            let before = stage.before.map(|before| before(&workload));
            let connects = matches!(command, Command::Connect { .. } | Command::Resume);
            let opens = matches!(command, Command::Open { .. });
            // A session is resumed by a client that was connected before.
            let resumes = matches!(command, Command::Connect { resumes: true, .. });
            let needs_clients = match before {
                Some(before) => !matches!(before, Command::Fill { .. }),
                None => resumes || !connects,
            };
            if !is_connected && needs_clients && !opens {
                aside.add_faults(&run(&mut self.load, CONNECT).await?);
                is_connected = true;
            }
            if let Some(before) = before {
                aside.add_faults(&run(&mut self.load, before).await?);
            }
            if is_connected && connects {
                aside.add_faults(&run(&mut self.load, Command::Disconnect).await?);
            }
            if !is_warm
                && !connects
                && !opens
                && !matches!(command, Command::Watch { .. } | Command::Cut { .. })
            {
                let warm_up =
                    if self.contender.peer().is_some() { WARM_UP_OF_PEERS } else { WARM_UP };
                aside.add_faults(&run(&mut self.load, warm_up).await?);
                is_warm = true;
            }
            is_connected = true;
            let mut sample = self.stage(stage, command).await?;
            sample.load.add_faults(&std::mem::take(&mut aside));
            samples.push(sample);
        }
        aside.add_faults(&run(&mut self.load, LINGER).await?);
        if let Some((network, _)) = &self.network {
            network.ensure_valid()?;
        }
        if let Some(last) = samples.last_mut() {
            last.load.add_faults(&aside);
        }
        Ok(samples)
    }

    async fn stage(&mut self, stage: &Stage, command: Command) -> anyhow::Result<Sample> {
        self.servers.wait_until_idle().await;
        let before = self.reading();
        let outcome = match (command, &self.network) {
            (Command::Cut { seconds }, Some((network, _))) => {
                network.cut();
                wait_until_noticed(&self.servers, self.clients, seconds).await
            }
            (Command::RollingRestart { .. }, _) => {
                let Self { load, servers, cores, .. } = self;
                let (outcome, ()) =
                    tokio::try_join!(run(load, command), servers.restart_in_turn(cores))?;
                // Each restart moves the clients of a server, so the last one was in time if all have moved.
                ensure!(
                    outcome.moved >= self.clients as u64,
                    "the restarts took longer than the schedule: raise --seconds"
                );
                outcome
            }
            _ => run(&mut self.load, command).await?,
        };
        let end = self.reading();
        let is_watched = matches!(command, Command::Watch { .. } | Command::Cut { .. });
        if !is_watched {
            // Includes the server's work after the last deliveries and handshakes, such as holding a poll.
            self.servers.wait_until_idle().await;
        }
        let after = if is_watched { &end } else { &self.reading() };
        let since = |to: &Reading, of: fn(&Reading) -> Option<u64>| {
            Some(of(to)?.saturating_sub(of(&before)?))
        };
        // The outcome is the end of the stage.
        let wall_ns = end.at.duration_since(before.at).as_nanos() as f64;
        let load_ns = since(&end, |r| r.load_ns);
        let servers_ns = since(&end, |r| Some(r.server_ns? + r.broker_ns.unwrap_or(0)));
        let own_ns = since(&end, |r| r.own_ns).unwrap_or(0);
        let browser_ns = outcome.browser.as_ref().map_or(0, |browser| browser.cpu_ns);
        let ours =
            servers_ns.zip(load_ns).map(|(servers, load)| servers + load + own_ns + browser_ns);
        Ok(Sample {
            contender: self.contender.title.to_owned(),
            stage: stage.name.to_owned(),
            round: self.round,
            clients: self.clients,
            payload: self.sequence.payload,
            tls: self.plan.is_over_tls(self.sequence),
            command: Some(command),
            network: self.network_sample(&before, after),
            load: outcome,
            server_cpu_ns: since(after, |r| r.server_ns),
            broker_cpu_ns: since(after, |r| r.broker_ns),
            pss_before: before.pss,
            pss_after: after.pss,
            kernel_before: before.kernel,
            kernel_after: after.kernel,
            load_busy: load_ns.map(|load_ns| load_ns as f64 / wall_ns),
            server_busy: servers_ns.map(|servers_ns| servers_ns as f64 / wall_ns),
            stolen: end.machine.stolen_since(&before.machine),
            others: ours.map(|ours| end.machine.others_since(&before.machine, ours)),
            throttled: end.throttled.saturating_sub(before.throttled),
            io_uring: self.servers.has_io_uring(),
        })
    }

    fn network_sample(&self, before: &Reading, after: &Reading) -> Option<NetworkSample> {
        let (_, checked) = self.network.as_ref()?;
        Some(NetworkSample {
            profile: self.sequence.network?.to_owned(),
            checked: *checked,
            counts: after.network? - before.network?,
        })
    }

    fn reading(&self) -> Reading {
        Reading {
            at: Instant::now(),
            server_ns: self.servers.cpu_ns(),
            broker_ns: self.servers.broker_cpu_ns(),
            load_ns: self.load.process().and_then(|load| load.cpu_ns()),
            own_ns: Process::this().cpu_ns(),
            pss: self.servers.pss(),
            kernel: self.servers.kernel_memory(),
            machine: MachineTime::now(),
            throttled: self.cores.quota.throttled(),
            network: self.network.as_ref().map(|(network, _)| network.counts()),
        }
    }
}

/// Sends a command to the load and waits for its outcome.
///
/// # Errors
/// Fails if the load ends, prints no outcome in time, or prints something else.
async fn run(load: &mut Child, command: Command) -> anyhow::Result<Outcome> {
    load.write(&json(&command)).await?;
    let limit = COMMAND + Duration::from_secs_f64(command.seconds());
    let line = match timeout(limit, load.line("the stage was finished")).await {
        Ok(line) => line?,
        Err(_) => return Err(load.error(format_args!(" printed no outcome within {limit:?}"))),
    };
    serde_json::from_str(&line)
        .map_err(|_| load.error(format_args!(" printed {line:?}, which is not an outcome")))
}

/// Returns `true` if a folder of PATH has the program.
pub(crate) fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the keys are strings")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(script: &str) -> Child {
        Child::start(Path::new("sh"), &["-c", script]).unwrap()
    }

    #[tokio::test]
    async fn an_outcome_follows_its_command() {
        let outcome = json(&Outcome { deliveries: 12, ..Outcome::default() });
        let mut load = load(&format!("read command; echo '{outcome}'; read more || exit 0"));
        assert_eq!(run(&mut load, CONNECT).await.unwrap().deliveries, 12);
        load.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_load_that_fails_is_reported_with_its_output() {
        let mut failing = load("read command; echo client 7 >&2; exit 1");
        let error = run(&mut failing, CONNECT).await.unwrap_err().to_string();
        assert!(error.starts_with("sh ended before the stage"), "{error}");
        assert!(error.contains("client 7"), "{error}");
        let mut confused = load("read command; echo done; read more");
        let error = run(&mut confused, CONNECT).await.unwrap_err();
        assert_eq!(error.to_string(), "sh printed \"done\", which is not an outcome");
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_without_an_outcome_is_an_error_after_its_time_limit() {
        let mut silent = load("read command; read more");
        let error = run(&mut silent, WARM_UP).await.unwrap_err();
        assert_eq!(error.to_string(), "sh printed no outcome within 600.1s");
    }
}
