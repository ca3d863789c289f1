//! Watches AWS CloudTrail and acts on what it sees.

use std::process::ExitCode;

fn main() -> ExitCode {
    trailloop::main()
}
