//! What a process costs, as the kernel counts it: processor time of all its threads, resident memory.
use std::fs;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Nanoseconds of processor time, of user and kernel.
    pub cpu_ns: u64,
    /// Kilobytes of resident memory.
    pub rss_kb: u64,
}

/// Reads processes, all together; zeros where there is none or the kernel does not say.
pub(super) fn of(pids: &[u32]) -> Usage {
    let add = |sum: Usage, one: Usage| Usage { cpu_ns: sum.cpu_ns + one.cpu_ns, rss_kb: sum.rss_kb + one.rss_kb };
    pids.iter().copied().map(process).fold(Usage::default(), add)
}

fn process(pid: u32) -> Usage {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let rss_kb = rss.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let cpu_ns = tasks.map(|task| thread(&task.path().join("schedstat"))).sum();
    Usage { cpu_ns, rss_kb }
}

/// Reads the processor time of the calling thread.
pub(super) fn this_thread_ns() -> u64 {
    thread(std::path::Path::new("/proc/thread-self/schedstat"))
}

fn thread(path: &std::path::Path) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_costs_something() {
        let usage = super::of(&[std::process::id()]);
        assert!(usage.rss_kb > 100);
        assert!(usage.cpu_ns >= super::this_thread_ns());
    }
}
