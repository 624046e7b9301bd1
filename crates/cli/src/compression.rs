//! The settings of compression of `tidings serve`.

use std::time::Duration;

use clap::ArgAction;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tidings::core::Filters;
use tidings::transport::compression::CompressionConfig;

use crate::values::{at_least_one, seconds};

// Not a doc comment, because clap would show it as the description of the command.
// The other settings need `--compression`, but it may be off.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compression options")]
#[group(skip)]
pub(crate) struct CompressionArgs {
    /// Compress what clients are sent, once for all clients with the same filters, if they accept that
    #[arg(
        long = "compression",
        value_name = "on|off",
        default_value = "off",
        action = ArgAction::Set,
        value_parser = on_or_off()
    )]
    is_on: bool,
    /// Never compress notifications of these topics, such as tokens.* or a list with commas. Exclude topics with
    /// secrets, because the length of compressed text reveals something about it
    #[arg(long = "compression-exclude", value_name = "FILTERS", requires = "is_on")]
    exclude: Option<Filters>,
    /// Compress at most N streams at a time, each with up to 390 KiB of memory. Clients with the same filters and
    /// format are one stream. Clients of other streams are sent plain bytes
    #[arg(
        long = "compression-contexts",
        value_name = "N",
        default_value_t = 64,
        value_parser = at_least_one(),
        requires = "is_on"
    )]
    contexts: u64,
    /// Begin the history of a stream anew after at most N notifications if a client has joined. Until then that client
    /// is sent plain bytes
    #[arg(
        long = "compression-reset-after",
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..),
        requires = "is_on"
    )]
    reset_after: u32,
    /// Begin the history of such a stream anew after at most this time, with the next notification
    #[arg(
        long = "compression-reset-interval",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds,
        requires = "is_on"
    )]
    reset_interval: Duration,
}

/// Parses `on` or `off`.
fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|value| value == "on")
}

impl CompressionArgs {
    /// The line to print if compression is on, otherwise nothing.
    pub(crate) fn line(&self) -> String {
        match &self.exclude {
            _ if !self.is_on => String::new(),
            None => "compression is on\n".to_owned(),
            Some(topics) => format!("compression is on, except for {topics}\n"),
        }
    }

    /// The configuration of compression, `None` if it is off.
    pub(crate) fn config(self) -> Option<CompressionConfig> {
        let config = CompressionConfig::default()
            .contexts(self.contexts as usize)
            .reset_after(self.reset_after)
            .reset_interval(self.reset_interval);
        self.is_on.then(|| match self.exclude {
            Some(topics) => config.exclude(topics),
            None => config,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        compression: CompressionArgs,
    }

    fn parse(args: &str) -> Result<Option<CompressionConfig>, String> {
        let given = Program::try_parse_from(["tidings"].into_iter().chain(args.split(' ')));
        given.map(|given| given.compression.config()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let (ours, library) = (parse("--compression on"), CompressionConfig::default());
        assert_eq!(format!("{:?}", ours.unwrap().unwrap()), format!("{library:?}"));
    }

    #[test]
    fn the_line_names_what_is_excluded() {
        let line = |args: &str| {
            let given = ["tidings"].into_iter().chain(args.split(' '));
            Program::try_parse_from(given).unwrap().compression.line()
        };
        assert_eq!(line("--compression off"), "");
        assert_eq!(line("--compression on"), "compression is on\n");
        let excluded = line("--compression on --compression-exclude tokens.*,accounts.>");
        assert_eq!(excluded, "compression is on, except for tokens.*,accounts.>\n");
    }

    #[test]
    fn each_setting_is_passed_on() {
        let given = "--compression on --compression-contexts 500 --compression-reset-after 7 \
                     --compression-reset-interval 2.5 --compression-exclude tokens.*,accounts.>";
        let expected = CompressionConfig::default()
            .contexts(500)
            .reset_after(7)
            .reset_interval(Duration::from_millis(2500))
            .exclude("tokens.*,accounts.>".parse().unwrap());
        assert_eq!(format!("{:?}", parse(given).unwrap().unwrap()), format!("{expected:?}"));
    }

    #[test]
    fn settings_without_compression_are_rejected_and_with_compression_off_have_no_effect() {
        for setting in [
            "--compression-exclude tokens.*",
            "--compression-contexts 1",
            "--compression-reset-after 1",
            "--compression-reset-interval 1",
        ] {
            let error = parse(setting).unwrap_err();
            assert!(error.contains("--compression <on|off>"), "{error}");
            assert!(parse(&format!("--compression off {setting}")).unwrap().is_none(), "{setting}");
        }
        for (wrong, expected) in [
            ("--compression both", "possible values: on, off"),
            ("--compression on --compression-contexts 0", "0 is not in 1.."),
            ("--compression on --compression-reset-after 0", "0 is not in 1.."),
            ("--compression on --compression-reset-interval 0", "0.001 to 86400 seconds"),
            ("--compression on --compression-exclude a..b", "empty token"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }
}
