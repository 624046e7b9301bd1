//! `tidings serve`: the hub until Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tidings::core::{
    Heartbeat, Hub, HubConfig, Limits, Notification, PublishError, Retention, Source, Topic,
};
use tidings::hub::{Config, Hosts, Origins, clock, run};
use tidings::message_queue::{EngineConfig, Keep, connect};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::ServeArgs;

pub(crate) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(&args.listen).await.with_context(|| {
        format!("cannot listen on {}; choose with --listen ADDRESS:PORT", args.listen)
    })?;
    allow_many_files();
    let hub = hub(
        HubConfig {
            retention: Retention { entries: args.retain as usize, ..Retention::default() },
            limits: Limits { total: args.clients as usize, ..Limits::default() },
            heartbeat: Heartbeat { interval: args.heartbeat, ..Heartbeat::default() },
            ..HubConfig::default()
        },
        &args,
    )
    .await?;
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
    config.io_uring = !args.no_io_uring;
    config.general_path = args.general_path;
    config.live_page = !args.no_page;
    (config.drain_delay, config.drain) = (args.drain_delay, args.drain);
    if let Some(workers) = args.workers {
        config.workers = workers;
    }
    if args.demo {
        let topic: Topic = "ticks".parse()?;
        config.demo = Some(topic.clone());
        tokio::spawn(demo(hub, topic));
    }
    // Before the first line: a program that has it may end us at once.
    let shutdown = shutdown();
    // The first line is for programs as well, which started us with port 0. It is one write: a program that
    // has its line may have closed its end.
    let address = listener.local_addr()?;
    let mut lines = format!("listening on http://{address}\n");
    if config.live_page {
        lines += &format!("open http://{address} in a browser: every transport side by side\n");
    }
    print!("{lines}");
    std::io::stdout().flush()?;
    run(listener, config, shutdown).await.context("the hub failed")?;
    Ok(ExitCode::SUCCESS)
}

/// A hub by itself, or over the engine that is named.
async fn hub(config: HubConfig, args: &ServeArgs) -> anyhow::Result<Hub> {
    let Some(url) = &args.broker else { return Ok(Hub::new(config)) };
    let default = Keep::default();
    let keep = Keep {
        age: args.keep_age.or(default.age),
        messages: args.keep_messages.or(default.messages),
        bytes: args.keep_bytes.or(default.bytes),
    };
    let broker = connect(url, EngineConfig { keep, replicas: args.replicas.into() }).await?;
    Ok(Hub::connect(broker, config).await?)
}

/// Every client is an open file. What a process may have to begin with is often 1,024, for the sake of
/// programs that use `select`, and what it may raise that to is much more.
fn allow_many_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, limit = ?limit.current, "the limit on open files stays as it is");
        }
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
