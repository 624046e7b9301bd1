//! `tidings serve`: runs the server until Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tidings::core::{
    Heartbeat, Hub, HubConfig, Limits, Notification, PublishError, Retention, Source, Topic,
};
use tidings::server::{Config, Hosts, Origins, ServeBy, Server, clock};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::ServeArgs;
use crate::broker::attach;
use crate::listen::Listen;
use crate::tls;

/// Serves until Ctrl-C or SIGTERM. Prints the URLs of the listeners first.
///
/// # Errors
/// Fails if a certificate cannot be used, a listener cannot be bound, the broker rejects the server or its timeout
/// ends, or the addresses cannot be printed.
pub(crate) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    allow_many_files();
    let listeners = args.listen.iter().filter_map(Listen::tcp).filter_map(tls::host);
    let certificates = args.tls.certificates(listeners.chain(args.hosts.iter().cloned()))?;
    let config = HubConfig::default()
        .retention(Retention::default().entries(args.retain as usize))
        .limits(Limits::default().total(args.clients as usize))
        .heartbeat(Heartbeat::default().interval(args.heartbeat));
    let hub = if args.broker.is_given() { Hub::pending(config) } else { Hub::new(config) };
    let mut config = Config::new(hub.clone());
    config.origins = Origins::Listed(args.allow_origins);
    if !args.hosts.is_empty() {
        config.hosts = Hosts::Listed(args.hosts);
    }
    // Publishers and health checks have connections as well.
    config.max_connections = config.max_connections.max(args.clients as usize + 1024);
    config.slow = args.slow.into();
    let about_compression = args.compression.line();
    config.compression = args.compression.config();
    config.head_deadline = args.head_deadline;
    config.idle_timeout = args.idle_timeout;
    let live_page = !args.no_page;
    config.live_page = live_page;
    config.redirect_to_https = args.tls.redirect;
    (config.drain_delay, config.drain) = (args.drain_delay, args.drain);
    if let Some(workers) = args.workers {
        config.workers = workers;
    }
    if args.demo {
        config.demo = Some("ticks".parse()?);
    }
    let demo_topic = config.demo.clone();
    // Installed before the first line is printed. A parent that has read the line may send a signal at once.
    let shutdown = shutdown();
    let server = Server::builder(hub.clone()).configure(|own| *own = config);
    let serve_by = match (args.general_path, args.no_io_uring) {
        (true, _) => ServeBy::GeneralPath,
        (false, true) => ServeBy::LanesWithoutIoUring,
        (false, false) => ServeBy::Lanes,
    };
    let mut server = server.serve_by(serve_by).build();
    let mut urls = Vec::new();
    let tls = certificates.as_ref().map(|certificates| &certificates.tls);
    for listen in args.listen {
        server = listen.add(server, tls, "--listen", &mut urls).await?;
    }
    for listen in args.tls.listen_plain {
        server = listen.add(server, None, "--listen-plain", &mut urls).await?;
    }
    if let Some(topic) = demo_topic {
        tokio::spawn(demo(hub.clone(), topic));
    }
    let about = certificates.map(|certificates| certificates.lines).unwrap_or_default();
    let lines = greeting(&urls, &(about + &about_compression), live_page);
    let (attempted, first_attempt) = oneshot::channel();
    let attached = tokio::spawn(attach(hub, args.broker, attempted));
    let greeted = tokio::spawn(async move {
        // If the broker can be reached, it is attached before the first line is printed.
        let _ = first_attempt.await;
        print(&lines)
    });
    let mut failure = None;
    let stop = async {
        tokio::select! {
            error = failed(attached) => failure = Some(error),
            error = failed(greeted) => failure = Some(error),
            () = shutdown => {}
        }
    };
    server.serve(stop).await.context("the server failed")?;
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// The lines to print, with those about the settings. The first is always `listening on URL`, from which a parent
/// process reads the port.
fn greeting(urls: &[String], settings: &str, live_page: bool) -> String {
    let mut lines: String = urls.iter().map(|url| format!("listening on {url}\n")).collect();
    lines += settings;
    if live_page && let Some(url) = urls.iter().find(|url| url.starts_with("http")) {
        lines += &format!("open {url} in a browser to see all transports side by side\n");
    }
    lines
}

/// Prints all lines in one write, because a parent process may close its end after the first line.
///
/// # Errors
/// Fails if standard output cannot be written.
pub(crate) fn print(lines: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes()).and_then(|()| out.flush()).context("cannot write the address")
}

/// Resolves with the error of the task. If the task succeeds, this never resolves.
async fn failed<E: Into<anyhow::Error>>(task: JoinHandle<Result<(), E>>) -> anyhow::Error {
    match task.await {
        Ok(Ok(())) => std::future::pending().await,
        Ok(Err(error)) => error.into(),
        Err(panic) => panic.into(),
    }
}

/// Raises the limit on open files to its maximum. Each client needs one. The initial limit is often 1,024, for programs
/// that use `select`.
pub(crate) fn allow_many_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}

/// Publishes a tick when the first client has joined, and then every second.
async fn demo(hub: Hub, topic: Topic) {
    let tick = async move |hub: Hub| -> Result<(), PublishError> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 1_u64.. {
            // The time at which the tick was due, so that the latency includes the delay of a late publish.
            let due = second.tick().await;
            let sent = clock() - due.elapsed().as_secs_f64() * 1e3;
            let tick = format!(r#"{{"tick":{number},"sent":{sent:.1}}}"#);
            hub.publish(Notification::text(topic.clone(), tick)).await?;
        }
        Ok(())
    };
    Source::default().run(hub, tick).await;
}

/// Resolves after Ctrl-C or SIGTERM. Signals that arrive after the call but before the first poll are included.
pub(crate) fn shutdown() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        async {
            let received = signals.map(async |signal| match signal {
                Ok(mut signal) => drop(signal.recv().await),
                Err(error) => cannot_receive(&error).await,
            });
            futures::future::select_all(received.map(Box::pin)).await;
        }
    }
    #[cfg(not(unix))]
    async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            cannot_receive(&error).await;
        }
    }
}

/// Logs the error, and never resolves.
async fn cannot_receive(error: &std::io::Error) {
    tracing::warn!(%error, "cannot install a signal handler, stop the process with kill");
    std::future::pending::<()>().await;
}
