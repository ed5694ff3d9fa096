//! The system calls that no step may use.
//!
//! A list of what is refused, not of what is allowed: a step is any person's program. What is on it either reaches
//! other processes, makes new namespaces (and with them much of the kernel), or talks to the network. A process that
//! uses one dies with SIGSYS: the step's own end shows it, and a child's end shows it to the step.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

/// Puts the filters on this process and all that it starts.
pub(super) fn apply() -> io::Result<()> {
    for filter in [
        foreign_numbers(),
        hidden().map_err(io::Error::other)?,
        killing().map_err(io::Error::other)?,
    ] {
        if !filter.is_empty() {
            seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Hides the calls that get memory which neither a memory file system nor a process shows, for where no control group
/// counts it. Libraries that find one missing use a file in `/dev/shm`, or do without.
pub(super) fn hide_uncounted_memory() -> io::Result<()> {
    let filter = uncounted().map_err(io::Error::other)?;
    seccompiler::apply_filter(&filter).map_err(io::Error::other)
}

/// What kills.
fn killing() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        KILLING.iter().map(|call| (*call, Vec::new())).collect();
    // Sockets between processes of the step are its own affair; every other family reaches out.
    let not_unix = condition(0, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![not_unix])?]);
    let new_namespaces = NAMESPACES
        .iter()
        .map(|flag| {
            let flag = *flag as u64;
            let is_set = condition(0, SeccompCmpOp::MaskedEq(flag), flag)?;
            Ok(SeccompRule::new(vec![is_set])?)
        })
        .collect::<Result<Vec<_>, seccompiler::Error>>()?;
    rules.insert(libc::SYS_clone, new_namespaces);
    compile(rules, SeccompAction::KillProcess)
}

/// What is answered as if the kernel lacked it: `clone3` keeps its flags in memory, where a filter can't look, and
/// libraries fall back to `clone`.
fn hidden() -> Result<BpfProgram, seccompiler::Error> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    compile(rules, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn uncounted() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        UNCOUNTED.iter().map(|call| (*call, Vec::new())).collect();
    // All its pages stay as long as any part of it is mapped somewhere.
    let shared_anonymous = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
    let is_set = condition(
        3,
        SeccompCmpOp::MaskedEq(shared_anonymous),
        shared_anonymous,
    )?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![is_set])?]);
    compile(rules, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        operator,
        value,
    )?)
}

fn compile(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    action: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let machine = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, action, machine)?.try_into()?)
}

/// The x32 ABI has the same calls under other numbers, and says it is `x86_64`: whatever has its bit set kills.
fn foreign_numbers() -> BpfProgram {
    if cfg!(not(target_arch = "x86_64")) {
        return Vec::new();
    }
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let jump = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    vec![
        instruction(load, 0, 0, 0),
        instruction(jump, 0, 1, X32_BIT),
        instruction(answer, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

const X32_BIT: u32 = 0x4000_0000;

const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

const UNCOUNTED: &[c_long] = &[
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    // A page in a pipe is no process's any more.
    libc::SYS_vmsplice,
];

const KILLING: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Wide doors into the kernel.
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];
