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

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::file::Confine;
    use std::path::{Path, PathBuf};

    fn parse(more: &str) -> Result<Config, String> {
        let text = format!(
            "hostname = \"guard.example.jp\"\n[[listener]]\nlisten = \"127.0.0.1:9\"\n[upstream]\nserver = \"127.0.0.1:8\"\n{more}\n"
        );
        Config::parse("test.toml", &text, Path::new("/etc/sekisho"))
            .map_err(|problems| crate::config::error::render_all(&problems, false))
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (more, place, complaint) in [
            ("[process]\nuser = \"root\"", "test.toml:7:8", "must not go on as root"),
            ("[process]\nuser = \"0\"", "test.toml:7:8", "must not go on as root"),
            ("[process]\ngroup = \"mail\"", "test.toml:7:9", "`group` alone changes nothing"),
            ("[process]\nuser = \"a b\"", "test.toml:7:8", "no name of an account"),
            ("[process]\nconfine = \"maybe\"", "test.toml:7:11", "unknown variant"),
            ("[process]\nusr = \"x\"", "test.toml:7:1", "did you mean `user`?"),
            ("[rates]\nmails_per_hour = 0", "test.toml:7:18", "nobody could send any mail"),
            ("[rates]\nmails_per_hour = -1", "test.toml:7:18", "integer"),
            ("[rates]\nexempt = [\"a@b.test\"]", "test.toml:7:11", "no bound to be exempt from"),
            ("[rates]\nmails_per_hour = 9\nexempt = [\"@b.test\"]", "test.toml:8:11", "no domain, mailbox or login"),
            ("[received]\nhide = true", "test.toml:7:1", "did you mean `hide_client`?"),
        ] {
            let text = parse(more).unwrap_err();
            assert!(text.contains(place) && text.contains(complaint), "{more}\n{text}");
        }
    }

    #[test]
    fn what_is_meant_is_read() {
        let plain = parse("").unwrap();
        assert_eq!((plain.process.user, plain.process.confine, plain.hide_client), (None, Confine::Auto, false));
        assert!(!plain.rates.any());
        let full = parse(
            "[process]\nuser = \"sekisho\"\ngroup = \"10001\"\nconfine = \"require\"\nread = [\"more\", \"/srv/keys\"]\n\
             [rates]\nrecipients_per_hour = 300\nexempt = [\"printer-7\"]\n[received]\nhide_client = true",
        )
        .unwrap();
        assert_eq!((full.process.user.as_deref(), full.process.group.as_deref()), (Some("sekisho"), Some("10001")));
        assert_eq!(full.process.read, [PathBuf::from("/etc/sekisho/more"), PathBuf::from("/srv/keys")]);
        assert_eq!(full.process.confine, Confine::Require);
        assert!(full.hide_client && full.rates.any());
        assert!(full.rates.exempts(&crate::address::Address::new("Printer-7")));
    }
}
