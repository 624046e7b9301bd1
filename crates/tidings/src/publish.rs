//! `tidings publish`: standard input as one notification.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tidings::core::Kind;
use tidings::transport::client::{Meter, Publisher};

use crate::args::PublishArgs;

/// More than this no hub takes by default by far; it keeps a wrong pipe from filling the memory.
const MAX_INPUT: u64 = 64 << 20;

pub(crate) async fn publish(args: PublishArgs) -> anyhow::Result<ExitCode> {
    let mut payload = Vec::new();
    let mut input = std::io::stdin().lock().take(MAX_INPUT + 1);
    input.read_to_end(&mut payload).context("cannot read standard input")?;
    anyhow::ensure!(payload.len() as u64 <= MAX_INPUT, "the input has more than {MAX_INPUT} bytes");
    let kind = if args.binary { Kind::Binary } else { Kind::Text };
    let mut publisher = Publisher::connect(args.url, Arc::new(Meter::default())).await?;
    let id = match &args.idempotency_key {
        Some(key) => publisher.publish_once(kind, payload.into(), key).await?,
        None => publisher.publish(kind, payload.into()).await?,
    };
    println!("{id}");
    Ok(ExitCode::SUCCESS)
}
