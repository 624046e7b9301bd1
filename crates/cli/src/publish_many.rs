//! `tidings publish --ndjson`: each line of standard input as a notification.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use tidings::transport::PublishMany;
use tidings::transport::client::{ClientError, PublishedMany, Publisher};

use crate::failure::failure;

/// A batch of this many bytes is complete. It is half of what a server accepts in one request by default.
const BATCH: usize = 512 << 10;

/// The longest line, in bytes. A server accepts far less by default. The limit keeps a wrong pipe from filling the
/// memory.
const MAX_LINE: u64 = 64 << 20;

/// Publishes the lines of standard input and prints their ids. Lines that arrive together are sent in one request.
///
/// # Errors
/// Fails if the input cannot be read or a publish fails. After a failed publish, the error contains the number of
/// notifications that are known to be published.
pub(crate) async fn publish_many(mut publisher: Publisher) -> anyhow::Result<ExitCode> {
    let mut input = BufReader::with_capacity(BATCH, io::stdin().lock());
    let mut stored = 0;
    loop {
        let batch = next_batch(&mut input).context("cannot read standard input")?;
        if batch.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let published = publisher.publish_many(batch.into()).await;
        let PublishedMany { ids, failed } = published.map_err(|error| known(stored, error))?;
        let mut output = io::stdout().lock();
        for id in &ids {
            writeln!(output, "{id}")?;
        }
        output.flush()?;
        stored += ids.len();
        if let Some(error) = failed {
            return Err(known(stored, error));
        }
    }
}

/// Adds to an error how many notifications were published. A request without a response may have been carried out.
fn known(stored: usize, error: ClientError) -> anyhow::Error {
    let known = match &error {
        ClientError::Rejected { status, .. } if status.is_client_error() => {
            format!("{stored} notifications were published")
        }
        _ => format!(
            "{stored} notifications are known to be published, others of the last request may be"
        ),
    };
    failure(error).context(known)
}

/// Reads one line, and the further lines that have already arrived. The batch is empty at the end of the input.
///
/// # Errors
/// Fails if the input cannot be read, or a line is longer than [`MAX_LINE`].
fn next_batch(input: &mut BufReader<impl Read>) -> io::Result<Vec<u8>> {
    let mut batch = Vec::new();
    for _ in 0..PublishMany::MAX_LINES {
        let mut line = input.by_ref().take(MAX_LINE + 1);
        if line.read_until(b'\n', &mut batch)? as u64 > MAX_LINE {
            return Err(io::Error::other(format!("a line has more than {MAX_LINE} bytes")));
        }
        if batch.len() >= BATCH || !input.buffer().contains(&b'\n') {
            break;
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader with one piece for each read.
    struct Pieces(Vec<&'static str>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            self.0.remove(0).as_bytes().read(buffer)
        }
    }

    #[test]
    fn lines_that_arrive_together_are_one_request() {
        let mut input = BufReader::new(Pieces(vec!["a\nb\nc", "c\n", "d\n", "e"]));
        let batches = [(); 5].map(|()| String::from_utf8(next_batch(&mut input).unwrap()).unwrap());
        assert_eq!(batches, ["a\nb\n", "cc\n", "d\n", "e", ""]);
        let mut input = BufReader::with_capacity(1 << 20, Pieces(vec![]));
        assert!(next_batch(&mut input).unwrap().is_empty());
    }
}
