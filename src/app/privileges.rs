//! From root to a user of its own, once the sockets are open and before anything is read from the network or from files.
//! It refuses to go on when the step did not take everything, and to run in a state folder that belongs to somebody else.

use crate::config::Process;
use nix::errno::Errno;
use nix::unistd::{self, Gid, Group, Uid, User};
use rustix::thread::{CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs};
use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

/// Why the guard cannot become its user. The texts fit behind "failed to".
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error("find the {what} {name}: {cause}")]
    Unknown { what: &'static str, name: String, cause: String },
    #[error("become the user {0}: it is root; name a user of its own in `[process] user`")]
    Root(String),
    #[error("become the user {wanted}: only root can, and this is user number {now}; start it as root or as {wanted}")]
    NotRoot { wanted: String, now: u32 },
    #[error("use the state folder {folder}: it belongs to user number {owner}; as root: chown -R {wanted} {folder}")]
    Owner { folder: PathBuf, owner: u32, wanted: String },
    #[error("prepare the state folder {folder}: {cause}")]
    Folder { folder: PathBuf, cause: io::Error },
    #[error("give up {what}: {cause}")]
    Kept { what: &'static str, cause: Errno },
    #[error("give up root for good: the kernel would give it back")]
    Returns,
}

struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    /// In the list of users, so that its further groups are known.
    listed: bool,
}

/// Becomes the configured user, if there is one; gives whether the process is still root afterwards. Must run before threads are started.
///
/// # Errors
/// [`PrivilegeError`]; the process may have lost some rights already and must end.
pub fn assume(process: &Process, state: &Path) -> Result<bool, PrivilegeError> {
    let now = Uid::effective();
    if let Some(name) = &process.user {
        let account = account(name, process.group.as_deref())?;
        if now.is_root() {
            give_state(state, &account)?;
            become_user(&account)?;
        } else if now != account.uid {
            return Err(PrivilegeError::NotRoot { wanted: account.name, now: now.as_raw() });
        }
    }
    let root = Uid::effective().is_root();
    if !root {
        // Ports below 1024 are open by now: what a service manager lent for them is not needed any more, by workers least of all.
        let _ = clear_ambient_capability_set();
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        let given_up = set_capabilities(None, none);
        given_up.map_err(|cause| PrivilegeError::Kept { what: "capabilities", cause: errno(cause) })?;
    }
    let sealed = set_no_new_privs(true);
    sealed.map_err(|cause| PrivilegeError::Kept { what: "gaining privileges", cause: errno(cause) })?;
    Ok(root)
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

fn account(name: &str, group: Option<&str>) -> Result<Account, PrivilegeError> {
    let unknown =
        |what: &'static str, name: &str, cause: String| PrivilegeError::Unknown { what, name: name.to_owned(), cause };
    let absent = || "there is none of this name".to_owned();
    let user = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    let user = user.map_err(|cause| unknown("user", name, cause.to_string()))?;
    let gid = match group {
        Some(group) => match group.parse() {
            Ok(number) => Some(Gid::from_raw(number)),
            Err(_) => {
                let found = Group::from_name(group).map_err(|cause| unknown("group", group, cause.to_string()))?;
                Some(found.ok_or_else(|| unknown("group", group, absent()))?.gid)
            }
        },
        None => None,
    };
    let account = match (user, name.parse()) {
        (Some(user), _) => Account { gid: gid.unwrap_or(user.gid), uid: user.uid, name: user.name, listed: true },
        // A number needs no name: containers often have none for it.
        (None, Ok(number)) => Account {
            name: name.to_owned(),
            uid: Uid::from_raw(number),
            gid: gid.unwrap_or_else(|| Gid::from_raw(number)),
            listed: false,
        },
        (None, Err(_)) => return Err(unknown("user", name, absent())),
    };
    if account.uid.is_root() { Err(PrivilegeError::Root(account.name)) } else { Ok(account) }
}

/// Makes the state folder for its user; one that is there must be his already.
fn give_state(state: &Path, account: &Account) -> Result<(), PrivilegeError> {
    let failed = |cause| PrivilegeError::Folder { folder: state.to_owned(), cause };
    match fs::metadata(state) {
        Ok(found) if found.uid() == account.uid.as_raw() => Ok(()),
        Ok(found) => {
            Err(PrivilegeError::Owner { folder: state.to_owned(), owner: found.uid(), wanted: account.name.clone() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = state.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            DirBuilder::new().mode(0o700).create(state).map_err(failed)?;
            chown(state, Some(account.uid.as_raw()), Some(account.gid.as_raw())).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Groups first, as root alone may change them, then the user; then root must not come back.
fn become_user(account: &Account) -> Result<(), PrivilegeError> {
    let kept = |what| move |cause| PrivilegeError::Kept { what, cause };
    match CString::new(account.name.as_str()) {
        Ok(name) if account.listed => unistd::initgroups(&name, account.gid).map_err(kept("groups"))?,
        _ => unistd::setgroups(&[account.gid]).map_err(kept("groups"))?,
    }
    unistd::setresgid(account.gid, account.gid, account.gid).map_err(kept("the group"))?;
    unistd::setresuid(account.uid, account.uid, account.uid).map_err(kept("root"))?;
    let (user, group) = (unistd::getresuid(), unistd::getresgid());
    let users = user.is_ok_and(|all| [all.real, all.effective, all.saved] == [account.uid; 3]);
    let groups = group.is_ok_and(|all| [all.real, all.effective, all.saved] == [account.gid; 3]);
    if users && groups && unistd::setuid(Uid::from_raw(0)).is_err() { Ok(()) } else { Err(PrivilegeError::Returns) }
}
