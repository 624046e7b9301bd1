//! Enables lanes on Linux. `TIDINGS_PORTABLE` disables them there as well, to compile the code of other systems on
//! Linux.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(lane)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TIDINGS_PORTABLE");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if is_linux && env::var_os("TIDINGS_PORTABLE").is_none() {
        println!("cargo::rustc-cfg=lane");
    }
}
