//! Which core a process may run on, and how many descriptors it may have.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::Failure;

/// Some cores, as `0` or `0,2` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores(Vec<usize>);

impl std::str::FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Cores, String> {
        let cores: Result<Vec<usize>, _> = text.split(',').map(|core| core.trim().parse()).collect();
        match cores {
            Ok(cores) if cores.iter().all(|core| *core < CpuSet::count()) => Ok(Cores(cores)),
            _ => Err(format!("`{text}` is not a list of cores such as 0 or 0,1")),
        }
    }
}

impl Cores {
    /// Lets this thread, and what it starts from now on, run on these cores only.
    pub(crate) fn pin(&self) -> Result<(), Failure> {
        let mut set = CpuSet::new();
        for core in &self.0 {
            set.set(*core).map_err(|error| Failure(format!("core {core}: {error}")))?;
        }
        sched_setaffinity(Pid::from_raw(0), &set)
            .map_err(|error| Failure(format!("cannot run on core {:?}: {error}", self.0)))
    }

    /// The cores this thread may run on now.
    pub(crate) fn current() -> Result<Cores, Failure> {
        let set = sched_getaffinity(Pid::from_raw(0))
            .map_err(|error| Failure(format!("cannot read the affinity: {error}")))?;
        Ok(Cores((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect()))
    }
}

/// Raises the soft limit of descriptors to the hard one, which a child inherits, and tells it.
pub(crate) fn raise_descriptors() -> Result<u64, Failure> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|error| Failure(format!("cannot read the limit of descriptors: {error}")))?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
        .map_err(|error| Failure(format!("cannot raise the limit of descriptors: {error}")))?;
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_is_read() {
        assert_eq!("0".parse(), Ok(Cores(vec![0])));
        assert_eq!("0, 2".parse(), Ok(Cores(vec![0, 2])));
        assert!("".parse::<Cores>().is_err());
        assert!("one".parse::<Cores>().is_err());
        assert!("99999".parse::<Cores>().is_err());
    }

    #[test]
    fn a_pinned_thread_says_so() {
        // The set a test may run on is not known; its first core is certainly in it.
        let all = Cores::current().unwrap();
        let first = Cores(vec![all.0[0]]);
        std::thread::spawn(move || {
            first.pin().unwrap();
            assert_eq!(Cores::current().unwrap(), first);
        })
        .join()
        .unwrap();
    }
}
