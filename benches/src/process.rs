//! What a process tells of itself and of its machine.

use std::time::Duration;

/// The time that this process's threads have spent on processors, if the system tells; in hundredths of a second.
#[must_use]
pub fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Of this process, and of its children that have ended. The name of the program comes second, in parentheses, and may hold anything.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(4).flat_map(str::parse::<u64>).sum::<u64>();
    Duration::from_millis(10 * ticks)
}

/// The most memory this process ever held, if the system tells.
#[must_use]
pub fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0_u64) * 1024
}

/// Says on what this ran.
#[expect(clippy::print_stdout, reason = "this is the product, for people")]
pub fn machine() {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores of {}", model.map_or("an unknown processor", |(_, model)| model));
}
