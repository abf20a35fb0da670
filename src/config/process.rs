//! Reads `[process]`: the user the guard becomes after its sockets are open, and how far it gives up rights.
//! It refuses a group without a user, and root as the user to become; whether the user exists is asked of the system at the start.

use super::Reader;
use super::file::{self, Confine};
use std::path::PathBuf;
use toml::Spanned;

/// As whom the guard runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Name or number of the user, if the guard is started as root.
    pub user: Option<String>,
    /// Name or number of the group; without one, the user's own.
    pub group: Option<String>,
    pub confine: Confine,
    /// Further folders and files the confined guard may read.
    pub read: Vec<PathBuf>,
}

impl Reader<'_> {
    pub(super) fn process(&mut self, given: &file::Process) -> Process {
        if let (None, Some(group)) = (&given.user, &given.group) {
            self.fail(group.span(), "`group` alone changes nothing", "give `user` too, or remove `group`");
        }
        for name in given.user.iter().chain(&given.group) {
            self.account(name);
        }
        let text = |name: &Option<Spanned<String>>| name.as_ref().map(|name| name.get_ref().clone());
        let read = given.read.iter().map(|path| self.path(path)).collect();
        Process { user: text(&given.user), group: text(&given.group), confine: given.confine, read }
    }

    /// A name as useradd(8) takes it, or a number above zero.
    fn account(&mut self, name: &Spanned<String>) {
        let text = name.get_ref().as_str();
        if text == "root" || text.parse() == Ok(0u32) {
            self.fail(name.span(), "the guard must not go on as root", "name a user of its own: user = \"sekisho\"");
        } else if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte)) {
            self.fail(name.span(), "this is no name of an account", "write it as sekisho, or as a number");
        }
    }
}
