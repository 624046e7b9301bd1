//! `tidings publish`: standard input as one notification.

use std::io::Read;
use std::process::ExitCode;

use anyhow::Context;
use tidings::core::Kind;
use tidings::transport::client::{Publisher, Target};

use crate::args::PublishArgs;
use crate::failure::failure;
use crate::publish_many;

/// The longest input, in bytes. A server accepts far less by default. The limit keeps a wrong pipe from filling the
/// memory.
const MAX_INPUT: u64 = 64 << 20;

/// Publishes standard input and prints the id, or the ids with `--ndjson`.
///
/// # Errors
/// Fails if the input cannot be read or is not UTF-8 text, an argument is invalid, or the publish fails.
pub(crate) async fn publish(args: PublishArgs) -> anyhow::Result<ExitCode> {
    let url = args.url.url()?;
    let options = args.remote.options(&url)?;
    let target = Target::new(url).options(options);
    if args.ndjson {
        return publish_many::publish_many(Publisher::connect(target).await.map_err(failure)?)
            .await;
    }
    let mut payload = Vec::new();
    let mut input = std::io::stdin().lock().take(MAX_INPUT + 1);
    input.read_to_end(&mut payload).context("cannot read standard input")?;
    anyhow::ensure!(
        payload.len() as u64 <= MAX_INPUT,
        "standard input has more than {MAX_INPUT} bytes"
    );
    let headers = args.headers.headers()?;
    let kind = if args.binary { Kind::Binary } else { Kind::Text };
    if kind == Kind::Text && !args.raw {
        strip_line_end(&mut payload);
    }
    if kind == Kind::Text
        && let Err(error) = std::str::from_utf8(&payload)
    {
        let at = error.valid_up_to();
        anyhow::bail!("standard input is not UTF-8 at byte {at}, publish it with --binary");
    }
    let mut publisher = Publisher::connect(target).await.map_err(failure)?;
    let key = args.idempotency_key.as_ref();
    let published = publisher.publish_with_headers(kind, payload.into(), &headers, key).await;
    let id = published.map_err(failure)?;
    println!("{id}");
    Ok(ExitCode::SUCCESS)
}

/// Removes one LF or CRLF from the end.
fn strip_line_end(text: &mut Vec<u8>) {
    if text.pop_if(|last| *last == b'\n').is_some() {
        text.pop_if(|last| *last == b'\r');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_end_is_removed() {
        for (given, left) in [
            ("hello\n", "hello"),
            ("hello\r\n", "hello"),
            ("hello\n\n", "hello\n"),
            ("hello\r", "hello\r"),
            (" a\nb ", " a\nb "),
            ("\n", ""),
            ("", ""),
        ] {
            let mut text = given.as_bytes().to_vec();
            strip_line_end(&mut text);
            assert_eq!(text, left.as_bytes(), "{given:?}");
        }
    }
}
