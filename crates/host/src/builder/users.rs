//! Which user ids keep runner, observer and signer apart on this machine.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use trust::predicate::Isolation;

use super::error::Error;
use super::message::Mapped;
use super::process::{Process, Role};

/// The first of the three ids that root uses when nothing is configured. No distribution gives it to anyone.
pub const FIRST_ID: u32 = 0x7000_0000;

/// The best isolation that this machine really gives, found by making a sandbox.
///
/// # Errors
/// It gives none at all.
pub fn detect() -> Result<Isolation, Error> {
    Users::detect(FIRST_ID).map(|users| users.isolation)
}

/// The user ids of the three processes. Made by trying.
#[derive(Debug, Clone)]
pub struct Users {
    isolation: Isolation,
    caller: Id,
    first: Id,
}

/// A user id and a group id.
#[derive(Debug, Clone, Copy)]
struct Id {
    uid: u32,
    gid: u32,
}

impl Users {
    /// The best that this machine gives. Root uses three ids from `first_id` on, which must belong to nobody.
    ///
    /// # Errors
    /// No user namespace can be made, even with the caller's id alone.
    pub fn detect(first_id: u32) -> Result<Self, Error> {
        let caller = caller();
        let separate = (caller.uid == 0).then_some(Id {
            uid: first_id,
            gid: first_id,
        });
        let candidates = [
            separate.map(|first| (Isolation::SeparateUsers, first)),
            subordinate(caller).map(|first| (Isolation::MappedUsers, first)),
        ];
        for (isolation, first) in candidates.into_iter().flatten() {
            let users = Self {
                isolation,
                caller,
                first,
            };
            if users.probe().is_ok() {
                return Ok(users);
            }
        }
        let users = Self::same_user();
        users.probe().map(|()| users)
    }

    /// The caller's id for all three, where better is not wanted.
    #[must_use]
    pub fn same_user() -> Self {
        let caller = caller();
        Self {
            isolation: Isolation::SameUser,
            caller,
            first: caller,
        }
    }

    /// How this keeps the three apart.
    #[must_use]
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Starts what a run starts, and looks at the ids that came of it.
    fn probe(&self) -> Result<(), Error> {
        for role in [Role::Signer, Role::Runner] {
            let mut process = Process::start(role, [Stdio::null(), Stdio::null()])?;
            if role == Role::Runner {
                process.release(&[])?;
            }
            process.admit(self)?;
            process.await_ready()?;
            let uid =
                real_uid(process.id()).map_err(Error::no_sandbox("reading a process's user"))?;
            if uid != self.outer(role).uid {
                return Err(Error::NoSandbox {
                    doing: "changing the user".into(),
                    why: format!("the {} has user id {uid}", role.name()),
                    hint: "please report this",
                });
            }
        }
        Ok(())
    }

    /// The id of a role as the machine sees it.
    fn outer(&self, role: Role) -> Id {
        let offset = match (self.isolation, role) {
            (Isolation::SameUser, _) | (_, Role::Runner) => 0,
            (_, Role::Observer) => 1,
            (_, Role::Signer) => 2,
        };
        Id {
            uid: self.first.uid + offset,
            gid: self.first.gid + offset,
        }
    }

    /// What a role becomes, as seen inside its namespace.
    pub(super) fn inner(&self, role: Role) -> Mapped {
        Mapped {
            id: if role == Role::Runner { STEP_ID } else { 0 },
            drops_groups: self.isolation != Isolation::SameUser,
        }
    }

    /// Pairs of an id inside and the id outside. The runner keeps the caller's until the mounts are made, so that it
    /// reaches what the caller reaches; the observer has the runner's, to read whatever modes the step set.
    fn pairs(&self, role: Role) -> Vec<(u32, Id)> {
        let own = (self.inner(role).id, self.outer(role));
        match (self.isolation, role) {
            (Isolation::SameUser, _) | (_, Role::Signer) => vec![own],
            (_, Role::Observer) => vec![own, (1, self.outer(Role::Runner))],
            (_, Role::Runner) => vec![(0, self.caller), own],
        }
    }

    /// Maps the ids of a process that has just left the shared user namespace.
    pub(super) fn map(&self, role: Role, process: u32) -> io::Result<()> {
        let pairs = self.pairs(role);
        let uids: Vec<_> = pairs
            .iter()
            .map(|(inner, outer)| (*inner, outer.uid))
            .collect();
        let gids: Vec<_> = pairs
            .iter()
            .map(|(inner, outer)| (*inner, outer.gid))
            .collect();
        match self.isolation {
            Isolation::MappedUsers => {
                map_by("newuidmap", process, &uids)?;
                map_by("newgidmap", process, &gids)
            }
            Isolation::SeparateUsers => {
                write_map(process, "uid_map", &uids)?;
                write_map(process, "gid_map", &gids)
            }
            Isolation::SameUser => {
                fs::write(format!("/proc/{process}/setgroups"), "deny")?;
                write_map(process, "uid_map", &uids)?;
                write_map(process, "gid_map", &gids)
            }
        }
    }
}

/// The step's user as it sees itself, the same in all isolations.
const STEP_ID: u32 = 1000;
const IDS_NEEDED: u32 = 3;

fn caller() -> Id {
    Id {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

fn write_map(process: u32, file: &str, pairs: &[(u32, u32)]) -> io::Result<()> {
    let lines: String = pairs
        .iter()
        .map(|(inner, outer)| format!("{inner} {outer} 1\n"))
        .collect();
    fs::write(format!("/proc/{process}/{file}"), lines)
}

fn map_by(program: &str, process: u32, pairs: &[(u32, u32)]) -> io::Result<()> {
    let triples = pairs
        .iter()
        .flat_map(|(inner, outer)| [inner.to_string(), outer.to_string(), "1".into()]);
    let ended = Command::new(program)
        .arg(process.to_string())
        .args(triples)
        .stdin(Stdio::null())
        .output()?;
    if ended.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&ended.stderr);
        Err(io::Error::other(format!("{program}: {}", said.trim())))
    }
}

/// The first subordinate ids of the caller, if there are enough.
fn subordinate(caller: Id) -> Option<Id> {
    let name = name_of(
        caller.uid,
        &fs::read_to_string("/etc/passwd").unwrap_or_default(),
    );
    let first = |file| first_of(&fs::read_to_string(file).ok()?, name.as_deref(), caller.uid);
    Some(Id {
        uid: first("/etc/subuid")?,
        gid: first("/etc/subgid")?,
    })
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn first_of(subordinates: &str, name: Option<&str>, uid: u32) -> Option<u32> {
    subordinates.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let ours = name == Some(owner) || owner.parse() == Ok(uid);
        (ours && count >= IDS_NEEDED && first.checked_add(IDS_NEEDED).is_some()).then_some(first)
    })
}

fn real_uid(process: u32) -> io::Result<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("Uid:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_subordinate_ids() {
        let file = "alice:100000:65536\nbob:165536:2\n1002:231072:65536\nbob:300000:3\n";
        for (name, uid, expect) in [
            (Some("alice"), 1000, Some(100_000)),
            (Some("bob"), 1001, Some(300_000)),
            (None, 1002, Some(231_072)),
            (Some("eve"), 1003, None),
        ] {
            assert_eq!(first_of(file, name, uid), expect, "{name:?}");
        }
        assert_eq!(first_of("a:4294967295:65536\n:::\na", Some("a"), 1), None);
        assert_eq!(
            name_of(5, "root:x:0:0::/:\nfive:x:5:5::/:\n").as_deref(),
            Some("five")
        );
    }
}
