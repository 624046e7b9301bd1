//! The checks of this workspace. `cargo xtask test` runs every step of [`steps`], and
//! `cargo xtask NAME` runs one step.

mod api;
mod autobahn;
mod cargo;
mod clients;
mod counts;
mod documents;
mod figures;
mod limit;
mod links;
mod lints;
mod needs;
mod plugins;
mod readme;
mod rules;
mod runner;
mod steps;
mod wording;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", steps::help());
            ExitCode::SUCCESS
        }
        [steps::ALL] => runner::run_plan(&steps::PLAN),
        [name] if let Some(step) = steps::named(name) => runner::run(std::slice::from_ref(step)),
        _ => {
            eprint!("unknown step \"{}\"\n\n{}", args.join(" "), steps::help());
            ExitCode::FAILURE
        }
    }
}
