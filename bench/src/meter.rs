//! What a process has used: CPU time and memory, as the kernel accounts for them.

use std::fs;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Failure;

/// CPU time of a process since its start, all threads together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Nanoseconds, exact: the process's CPU clock.
    pub(crate) nanoseconds: u64,
    /// Clock ticks (10 ms) in user space, from `/proc/PID/stat`.
    user: u64,
    /// Clock ticks in the kernel.
    system: u64,
}

impl Cpu {
    /// The CPU time of another process, or of this one.
    pub(crate) fn of(pid: u32) -> Result<Cpu, Failure> {
        let gone = |error: nix::Error| Failure(format!("process {pid} cannot be measured: {error}"));
        let clock = clock_getcpuclockid(pid_of(pid)).map_err(gone)?;
        let nanoseconds = nanoseconds(clock_gettime(clock).map_err(gone)?);
        let stat = read(&format!("/proc/{pid}/stat"))?;
        let (user, system) =
            ticks(&stat).ok_or_else(|| Failure(format!("/proc/{pid}/stat has an unknown form")))?;
        Ok(Cpu { nanoseconds, user, system })
    }

    /// So much, for a test.
    #[cfg(test)]
    pub(crate) fn of_nanoseconds(nanoseconds: u64) -> Cpu {
        Cpu { nanoseconds, ..Cpu::default() }
    }

    /// What was used since an earlier reading.
    pub(crate) fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            nanoseconds: self.nanoseconds.saturating_sub(earlier.nanoseconds),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// Nanoseconds in user space: the exact total, split as the ticks are. A tick is 10 ms, so a
    /// share of a few per cent needs seconds of CPU time to mean anything.
    pub(crate) fn user_nanoseconds(self) -> f64 {
        let ticks = self.user + self.system;
        if ticks == 0 {
            return 0.0;
        }
        self.nanoseconds as f64 * self.user as f64 / ticks as f64
    }
}

/// CPU time of this process in nanoseconds.
pub(crate) fn own_nanoseconds() -> u64 {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(0, nanoseconds)
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

fn nanoseconds(time: TimeSpec) -> u64 {
    let (seconds, rest) = (time.tv_sec(), time.tv_nsec());
    u64::try_from(seconds).unwrap_or(0) * 1_000_000_000 + u64::try_from(rest).unwrap_or(0)
}

/// Fields 14 and 15 of `/proc/PID/stat`; the command in field 2 may hold anything, so count from
/// its last parenthesis.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Memory of a process in user space, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Anonymous memory that is resident now.
    pub(crate) anonymous: u64,
    /// The highest resident size so far, of every kind.
    pub(crate) peak: u64,
}

impl Memory {
    /// The memory of a process. `smaps_rollup` is exact; `status` lags by some pages a thread.
    pub(crate) fn of(pid: u32) -> Result<Memory, Failure> {
        let rollup = read(&format!("/proc/{pid}/smaps_rollup"))?;
        let status = read(&format!("/proc/{pid}/status"))?;
        Ok(Memory {
            anonymous: kilobytes(&rollup, "Anonymous:") * 1024,
            peak: kilobytes(&status, "VmHWM:") * 1024,
        })
    }
}

/// Memory of the kernel that grows with connections, in bytes: all slabs, and the pages that hold
/// bytes under way in TCP. The whole machine's, both ends of each loopback connection included.
pub(crate) fn kernel_bytes() -> Result<u64, Failure> {
    let slab = kilobytes(&read("/proc/meminfo")?, "Slab:") * 1024;
    let sockets = read("/proc/net/sockstat")?;
    let pages: u64 = sockets
        .lines()
        .filter(|line| line.starts_with("TCP:"))
        .filter_map(|line| line.rsplit_once("mem ")?.1.trim().parse::<u64>().ok())
        .sum();
    Ok(slab + pages * 4096)
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure(format!("{path}: {error}")))
}

fn kilobytes(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_move_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 114 115 0 0 20 0";
        assert_eq!(ticks(stat), Some((114, 115)));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn fields_are_read_in_kilobytes() {
        let text = "Rss: 1 kB\nAnonymous:        112 kB\nSlab: x kB\n";
        assert_eq!(kilobytes(text, "Anonymous:"), 112);
        assert_eq!(kilobytes(text, "Slab:"), 0);
        assert_eq!(kilobytes(text, "Absent:"), 0);
    }

    #[test]
    fn own_cpu_time_grows_with_work() {
        let before = Cpu::of(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while Cpu::of(std::process::id()).unwrap().since(before).nanoseconds < 5_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(own_nanoseconds() >= before.nanoseconds + 5_000_000);
    }

    #[test]
    fn own_memory_is_seen() {
        let held = std::hint::black_box(vec![1_u8; 8 << 20]);
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.anonymous >= held.len() as u64, "{memory:?}");
        assert!(memory.peak >= memory.anonymous);
        assert!(kernel_bytes().unwrap() > 0);
    }
}
