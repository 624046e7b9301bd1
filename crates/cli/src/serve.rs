//! `tidings serve`: the hub until Ctrl-C.

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

pub(crate) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    allow_many_files();
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
    config.head_deadline = args.head_deadline;
    config.idle_timeout = args.idle_timeout;
    let live_page = !args.no_page;
    config.live_page = live_page;
    (config.drain_delay, config.drain) = (args.drain_delay, args.drain);
    if let Some(workers) = args.workers {
        config.workers = workers;
    }
    if args.demo {
        config.demo = Some("ticks".parse()?);
    }
    let demo_topic = config.demo.clone();
    // Before the first line: a program that has it may end us at once.
    let shutdown = shutdown();
    let server = Server::builder(hub.clone()).configure(|own| *own = config);
    let serve_by = match (args.general_path, args.no_io_uring) {
        (true, _) => ServeBy::GeneralPath,
        (false, true) => ServeBy::LanesWithoutIoUring,
        (false, false) => ServeBy::Lanes,
    };
    let mut server = server.serve_by(serve_by).build();
    let mut urls = Vec::new();
    for listen in args.listen {
        server = listen.add(server, &mut urls).await?;
    }
    if let Some(topic) = demo_topic {
        tokio::spawn(demo(hub.clone(), topic));
    }
    let lines = greeting(&urls, live_page);
    let (attempted, first_attempt) = oneshot::channel();
    let attached = tokio::spawn(attach(hub, args.broker, attempted));
    let greeted = tokio::spawn(async move {
        // A program that has its line finds the broker attached, if it is there.
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

/// The first line is also for programs that started this one with port 0.
fn greeting(urls: &[String], live_page: bool) -> String {
    let mut lines: String = urls.iter().map(|url| format!("listening on {url}\n")).collect();
    if live_page && let Some(url) = urls.iter().find(|url| url.starts_with("http:")) {
        lines += &format!("open {url} in a browser: every transport side by side\n");
    }
    lines
}

/// Prints in one write, because a program that has its line may close its end.
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

/// Every client is an open file. What a process may have to begin with is often 1,024, for the sake of
/// programs that use `select`, and what it may raise that to is much more.
pub(crate) fn allow_many_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// A tick at once and then every second, from the first client on.
async fn demo(hub: Hub, topic: Topic) {
    let tick = async move |hub: Hub| -> Result<(), PublishError> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 1_u64.. {
            // When it was due, not when it was published: a hub that is late is not to look fast.
            let due = second.tick().await;
            let sent = clock() - due.elapsed().as_secs_f64() * 1e3;
            let tick = format!(r#"{{"tick":{number},"sent":{sent:.1}}}"#);
            hub.publish(Notification::text(topic.clone(), tick)).await?;
        }
        Ok(())
    };
    Source::default().run(hub, tick).await;
}

/// Returns a future that resolves at Ctrl-C or a service manager's SIGTERM. It counts from the call on, not from
/// the first poll.
pub(crate) fn shutdown() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        async {
            let received = signals.map(async |signal| match signal {
                Ok(mut signal) => drop(signal.recv().await),
                Err(error) => unheard(&error).await,
            });
            futures::future::select_all(received.map(Box::pin)).await;
        }
    }
    #[cfg(not(unix))]
    async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            unheard(&error).await;
        }
    }
}

async fn unheard(error: &std::io::Error) {
    tracing::warn!(%error, "a signal cannot be received; end the hub by its process id");
    std::future::pending::<()>().await;
}
