//! The arguments of `tidings publish` that set headers of the notification.

use std::time::UNIX_EPOCH;

use anyhow::Context;
use tidings::core::{Headers, ParseHeaderError};

/// The headers of the notification to publish.
#[derive(Debug, clap::Args)]
pub(crate) struct HeaderArgs {
    /// Set the event name (an EventSource calls the listeners of this name)
    #[arg(long, value_name = "NAME", value_parser = event)]
    event: Option<String>,
    /// Set the media type of the payload, such as application/json
    #[arg(long, value_name = "TYPE", value_parser = content_type)]
    content_type: Option<String>,
    /// Set the time of publish to now or to milliseconds since the Unix epoch
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Now,
    Millis(u64),
}

impl HeaderArgs {
    /// The headers given on the command line, which may be empty.
    ///
    /// # Errors
    /// Fails if `--time now` was given and the clock of this machine is before 1970 or after 9999.
    pub(crate) fn headers(&self) -> anyhow::Result<Headers> {
        let mut headers = Headers::new();
        if let Some(event) = &self.event {
            headers = headers.with_event(event)?;
        }
        if let Some(content_type) = &self.content_type {
            headers = headers.with_content_type(content_type)?;
        }
        let millis = match self.time {
            None => return Ok(headers),
            Some(Time::Millis(millis)) => millis,
            Some(Time::Now) => {
                let now =
                    UNIX_EPOCH.elapsed().context("the clock of this machine is before 1970")?;
                u64::try_from(now.as_millis())?
            }
        };
        Ok(headers.with_time(millis)?)
    }
}

fn event(name: &str) -> Result<String, ParseHeaderError> {
    Headers::new().with_event(name).map(|_| name.to_owned())
}

fn content_type(media_type: &str) -> Result<String, ParseHeaderError> {
    Headers::new().with_content_type(media_type).map(|_| media_type.to_owned())
}

fn time(text: &str) -> Result<Time, ParseHeaderError> {
    match text {
        "now" => Ok(Time::Now),
        millis => Headers::parse_time(millis).map(Time::Millis),
    }
}
