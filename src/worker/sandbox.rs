//! What a worker gives up before it reads its first mail: files, network, programs and new threads, by landlock and by seccomp.
//! It refuses to pretend: what the kernel could not take away is told to the relay, which logs it and shows it as a number.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest landlock that this program asks for; an older kernel gives what it has.
pub const LANDLOCK: ABI = ABI::V6;

/// What holds a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Version of landlock in force, 0 for none; TCP is covered from 4 on.
    pub landlock: u32,
    /// Is every system call outside a short list the end of the process?
    pub seccomp: bool,
}

impl Confinement {
    /// Are both walls up?
    #[must_use]
    pub fn whole(self) -> bool {
        self.landlock > 0 && self.seccomp
    }
}

/// Takes away all files, TCP, and signals to others; gives the version in force. Holds for this thread and those it starts.
///
/// # Errors
/// When the kernel has landlock and still refuses.
pub fn without_files() -> Result<u32, RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()?;
    Ok(version(&status.ruleset, status.landlock))
}

/// The version of landlock that a ruleset was enforced with.
#[must_use]
pub fn version(ruleset: &RulesetStatus, kernel: LandlockStatus) -> u32 {
    match (ruleset, kernel) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => effective_abi.min(LANDLOCK) as u32,
        _ => 0,
    }
}

/// From now on, in all threads: asking for a file is answered with "permission denied", and any other call that reading and computing do
/// not need ends the process. `false` when the kernel, or the program on this processor, has no such filter.
pub fn without_calls() -> bool {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return false };
    // The kernel asks both, and the stricter answer counts.
    [denied(arch), allowed(arch)]
        .into_iter()
        .all(|program| program.is_some_and(|program| seccompiler::apply_filter_all_threads(&program).is_ok()))
}

/// Calls that a library may try on its way and can do without: the C library looks into /proc when it gives memory back, others count processors.
const DENIED: [libc::c_long; 6] = [
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_ioctl,
];

/// Everything a worker needs: its two pipes, memory, locks, time, randomness, and its end.
const ALLOWED: [libc::c_long; 36] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrusage,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getcpu,
];

fn denied(arch: TargetArch) -> Option<BpfProgram> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    // "No new privileges" is said again with the second filter; a process may always give that up.
    let sealing = u64::from(libc::PR_SET_NO_NEW_PRIVS.unsigned_abs());
    calls.insert(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Ne, sealing)?]);
    program(calls, SeccompAction::Allow, SeccompAction::Errno(libc::EACCES.unsigned_abs()), arch)
}

fn allowed(arch: TargetArch) -> Option<BpfProgram> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(&DENIED).chain(&[libc::SYS_prctl]).map(|call| (*call, Vec::new())).collect();
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    // New memory is for data: nothing that a mail brought becomes a program.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        calls.insert(call, vec![rule(2, SeccompCmpOp::MaskedEq(executable), 0)?]);
    }
    // A handler of a signal wakes the runtime by a socket that is connected already; nothing can be sent elsewhere.
    calls.insert(libc::SYS_sendto, vec![rule(4, SeccompCmpOp::Eq, 0)?]);
    // abort(3) sends a signal to the process itself.
    calls.insert(libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?]);
    program(calls, SeccompAction::KillProcess, SeccompAction::Allow, arch)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Option<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value).ok()?;
    SeccompRule::new(vec![condition]).ok()
}

fn program(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
    arch: TargetArch,
) -> Option<BpfProgram> {
    SeccompFilter::new(calls, otherwise, matched, arch).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_that_reaches_out_is_on_the_list() {
        for call in [
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_execve,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_kill,
            libc::SYS_ptrace,
            libc::SYS_unlinkat,
            libc::SYS_renameat2,
            libc::SYS_io_uring_setup,
            libc::SYS_process_vm_readv,
            libc::SYS_memfd_create,
        ] {
            assert!(!ALLOWED.contains(&call) && !DENIED.contains(&call), "{call}");
        }
    }
}
