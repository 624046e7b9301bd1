//! A build without brokers. Each flag of a broker is an error that names the feature to build with.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, Error};
use tidings::core::{BrokerError, Hub};
use tokio::sync::oneshot;

use crate::values::NO_BROKERS;

/// The flags of a build with brokers.
const FLAGS: [&str; 6] =
    ["broker", "broker-timeout", "keep-age", "keep-messages", "keep-bytes", "replicas"];

#[derive(Debug)]
pub(crate) struct BrokerArgs;

impl BrokerArgs {
    /// Always `false`, because each flag is an error.
    pub(crate) fn is_given(&self) -> bool {
        false
    }
}

impl clap::Args for BrokerArgs {
    fn augment_args(command: Command) -> Command {
        let flag = |name| Arg::new(name).long(name).hide(true).value_parser(NeedsBrokers);
        command.args(FLAGS.map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for BrokerArgs {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

/// Rejects every value. The error does not contain the value, which may have a password in it.
#[derive(Clone, Copy)]
struct NeedsBrokers;

impl TypedValueParser for NeedsBrokers {
    type Value = String;

    fn parse_ref(&self, command: &Command, flag: Option<&Arg>, _: &OsStr) -> Result<String, Error> {
        let name = flag.and_then(Arg::get_long).unwrap_or("this argument");
        let message = format!("--{name} {NO_BROKERS}\n");
        Err(Error::raw(ErrorKind::ValueValidation, message).with_cmd(command))
    }
}

/// Does nothing and never fails. The signature is that of a build with brokers.
pub(crate) async fn attach(
    _: Hub,
    _: BrokerArgs,
    _: oneshot::Sender<()>,
) -> Result<(), BrokerError> {
    Ok(())
}

#[cfg(all(test, feature = "brokers"))]
mod tests {
    use clap::Args;

    use super::*;

    #[test]
    fn each_flag_of_a_build_with_brokers_is_an_error_that_names_the_feature() {
        let with_brokers = crate::broker::BrokerArgs::augment_args(Command::new("tidings"));
        let flags: Vec<&str> = with_brokers.get_arguments().filter_map(Arg::get_long).collect();
        assert!(flags.len() > 5, "{flags:?}");
        for flag in flags {
            let command = BrokerArgs::augment_args(Command::new("tidings"));
            let given = ["tidings".to_owned(), format!("--{flag}"), "nats://a:s3cret@b".to_owned()];
            let error = command.try_get_matches_from(given).unwrap_err();
            let expected = format!(
                "error: --{flag} needs a build with the feature brokers: cargo install --path crates/cli"
            );
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
