//! What a process of ours takes away from itself before anything foreign runs.

use std::io;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Uid};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::message::Mapped;
use super::seccomp;
use super::step::Limits;

/// Becomes the user, and keeps no capabilities but `kept`; none can come back by executing a file.
pub(super) fn become_user(user: Mapped, kept: CapabilitySet) -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel knows no capability of this number.
            Err(rustix::io::Errno::INVAL) => break,
            removed => removed?,
        }
    }
    rustix::thread::set_capabilities_secure_bits(SECURE_BITS)?;
    if user.drops_groups {
        rustix::thread::set_thread_groups(&[])?;
    }
    let (uid, gid) = (Uid::from_raw(user.id), Gid::from_raw(user.id));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

/// User 0 is nothing special any more, for good.
const SECURE_BITS: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

/// Lets capabilities live through executing this program anew, whatever the user id.
pub(super) fn keep_capabilities_over_exec() -> io::Result<()> {
    let held = rustix::thread::capabilities(None)?.permitted;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: held,
            permitted: held,
            inheritable: held,
        },
    )?;
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if held.contains(capability) {
            rustix::thread::configure_capability_in_ambient_set(capability, true)?;
        }
    }
    Ok(())
}

/// Nobody of the same user may trace this process or look into its memory, and it leaves no core.
pub(super) fn hide() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(
        DumpableBehavior::NotDumpable,
    )?)
}

/// Executing a file can't add privileges any more.
pub(super) fn gain_nothing() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Kills this process and what it starts for system calls that no step needs.
pub(super) fn filter_calls() -> io::Result<()> {
    seccomp::apply()
}

/// Leaves no way to memory that [`Meter`](super::memory::Meter) can't see.
pub(super) fn hide_uncounted_memory() -> io::Result<()> {
    seccomp::hide_uncounted_memory()
}

/// Sets the limits of each process. A limit that the caller has already may be lower, and then stays.
pub(super) fn limit(limits: &Limits) -> io::Result<()> {
    for (resource, wanted) in [
        (Resource::Core, 0),
        (Resource::Data, limits.memory_bytes),
        (
            Resource::Nproc,
            limits.processes.saturating_add(OUR_PROCESSES),
        ),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Memlock, MEMLOCK_BYTES_MAX),
        (Resource::Msgqueue, 0),
    ] {
        set_limit(resource, wanted, wanted)?;
    }
    // A second more, so that the signal that says why comes before the one that doesn't.
    let cpu_hard = limits.cpu_seconds.saturating_add(1);
    set_limit(Resource::Cpu, limits.cpu_seconds, cpu_hard)
}

fn set_limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let allowed = rustix::process::getrlimit(resource)
        .maximum
        .unwrap_or(u64::MAX);
    let limit = Rlimit {
        current: Some(soft.min(allowed)),
        maximum: Some(hard.min(allowed)),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// The runner and process 1 of the sandbox have the step's user.
const OUR_PROCESSES: u64 = 2;
const MEMLOCK_BYTES_MAX: u64 = 64 << 10;

/// A second wall around files, from another part of the kernel than the mounts: only these folders can be written.
/// Says how much of it the kernel enforces.
pub(super) fn fence(writable: &[&str]) -> io::Result<&'static str> {
    let read = AccessFs::from_read(FENCE);
    let all = AccessFs::from_all(FENCE);
    let restricted = Ruleset::default()
        .handle_access(all)
        .and_then(|rules| rules.scope(Scope::AbstractUnixSocket | Scope::Signal))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(["/"], read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(writable, all)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    Ok(match restricted.ruleset {
        RulesetStatus::FullyEnforced => "full",
        RulesetStatus::PartiallyEnforced => "partial",
        RulesetStatus::NotEnforced => "none",
    })
}

/// Opens no file at all from now on, where the kernel can see to it.
pub(super) fn fence_off_all_files() -> io::Result<()> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(FENCE))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(drop)
        .map_err(io::Error::other)
}

/// What newer kernels know is used, what older ones lack is left out.
const FENCE: ABI = ABI::V6;
/// Tries each ABI on a ruleset that nothing is bound by.
pub(super) fn landlock_abi() -> u32 {
    let known = [ABI::V6, ABI::V5, ABI::V4, ABI::V3, ABI::V2, ABI::V1];
    let tried = |abi: &ABI| {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ruleset
            .handle_access(AccessFs::from_all(*abi))
            .and_then(Ruleset::create)
            .is_ok()
    };
    let found = known.iter().position(tried);
    found.map_or(0, |position| {
        u32::try_from(known.len() - position).unwrap_or(0)
    })
}
