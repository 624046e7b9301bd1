//! The program of `clients` in the library.

#[cfg(target_os = "linux")]
use tidings_limit::clients::main as run;

fn main() -> std::process::ExitCode {
    run()
}

#[cfg(not(target_os = "linux"))]
fn run() -> std::process::ExitCode {
    eprintln!("tidings-load: this program is for Linux alone, because it stands on epoll");
    std::process::ExitCode::FAILURE
}
