//! The chores of the workspace. `cargo xtask test` runs every step of [`steps`];
//! `cargo xtask NAME` runs one of them.

mod autobahn;
mod cargo;
mod clients;
mod counts;
mod deny;
mod links;
mod markdown;
mod needs;
mod promise;
mod readme;
mod rules;
mod runner;
mod shell;
mod sources;
mod steps;
mod tree;

use std::process::ExitCode;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    match asked[..] {
        [] | ["help" | "--help" | "-h"] => {
            print!("{}", steps::help());
            ExitCode::SUCCESS
        }
        [steps::ALL] => runner::run_beside(steps::FIRST, steps::MAIN, steps::BESIDE),
        [name] if let Some(step) = steps::named(name) => runner::run(std::slice::from_ref(step)),
        _ => {
            eprint!("unknown chore: {}\n\n{}", asked.join(" "), steps::help());
            ExitCode::FAILURE
        }
    }
}
