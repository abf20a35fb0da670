//! What the running guard may still touch: its state to write, its settings and the system's libraries to read, its mail server to reach.
//! It refuses to widen anything later: what is given up here is gone until the process ends, for its workers too.

use super::StartError;
use crate::config::Config;
use crate::config::file::Confine;
use crate::config::upstream::Place;
use crate::worker::sandbox::{LANDLOCK, version, without_files};
use landlock::{
    Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError,
};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where libraries, programs and data of the system lie.
const SYSTEM: [&str; 6] = ["/usr", "/lib", "/lib64", "/lib32", "/bin", "/nix/store"];
/// Settings of the system: names, roots of trust, time zones; and what the kernel tells about this process and its limits.
const SETTINGS: [&str; 6] =
    ["/etc", "/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/run/systemd/resolve", "/run/resolvconf"];
/// Devices that are read, and the one into which workers' complaints go.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/urandom", "/dev/random", "/dev/zero"];
/// Settings that are links to elsewhere on some systems: the folders they lead into are read too.
const LINKED: [&str; 6] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// Variables that name further files of the system.
const VARIABLES: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "TZDIR"];
/// Names may have to be asked for by TCP.
const DNS: u16 = 53;

/// Gives up everything else; gives the version of landlock in force, 0 for none. Must run before threads are started.
///
/// # Errors
/// [`StartError::Confine`] when the kernel refuses, or has no landlock and the configuration requires it.
pub fn confine(config: &Config) -> Result<u32, StartError> {
    if config.process.confine == Confine::Off {
        return Ok(0);
    }
    let landlock = restrict(config).map_err(|error| StartError::Confine(error.to_string()))?;
    if landlock == 0 && config.process.confine == Confine::Require {
        return Err(StartError::Confine("this kernel has no landlock, and `confine = \"require\"` asks for it".into()));
    }
    Ok(landlock)
}

/// The version of landlock that a process of this kernel would get: asked in a thread of its own, which ends with the answer.
#[must_use]
pub fn supported() -> u32 {
    std::thread::spawn(|| without_files().unwrap_or(0)).join().unwrap_or(0)
}

/// Makes the state folder, which can only be allowed once it is there.
///
/// # Errors
/// [`StartError::Confine`] when it cannot be made.
pub fn prepare(config: &Config) -> Result<(), StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.state);
    made.map_err(|error| StartError::Confine(format!("make the state folder {}: {error}", config.state.display())))
}

fn restrict(config: &Config) -> Result<u32, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let keep = AccessFs::from_all(LANDLOCK) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .create()?;
    rules = allow(rules, [config.state.clone()], keep)?;
    // The first start writes the key of the store where the configuration says.
    let key = config.store.key_file.iter().filter(|key| !key.exists());
    rules = allow(rules, key.filter_map(|key| key.parent()).map(Path::to_owned), keep)?;
    rules = allow(rules, programs(), read | AccessFs::Execute)?;
    rules = allow(rules, SETTINGS.map(PathBuf::from), read)?;
    rules = allow(rules, LINKED.iter().flat_map(|file| homes(Path::new(file))), read)?;
    rules = allow(rules, VARIABLES.iter().filter_map(env::var_os).map(PathBuf::from), read)?;
    rules = allow(rules, DEVICES.map(PathBuf::from), AccessFs::ReadFile | AccessFs::WriteFile)?;
    rules = allow(rules, readable(config), read)?;
    // No port may be bound any more: all sockets are open.
    for port in ports(config) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    let status = rules.restrict_self()?;
    Ok(version(&status.ruleset, status.landlock))
}

/// What is not there cannot be allowed, and need not be: whoever wants to read it says so with a better error.
fn allow(
    mut rules: RulesetCreated,
    paths: impl IntoIterator<Item = PathBuf>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        if let Ok(opened) = PathFd::new(&path) {
            // Rights that only folders have are not for files.
            let fitting = if path.is_dir() { access } else { access & AccessFs::from_file(LANDLOCK) };
            rules = rules.add_rule(PathBeneath::new(opened, fitting))?;
        }
    }
    Ok(rules)
}

/// The program itself, whose folder is allowed so that a renewed one can be started, and every folder a library of it came from.
fn programs() -> BTreeSet<PathBuf> {
    let mut folders: BTreeSet<PathBuf> = SYSTEM.map(PathBuf::from).into();
    folders.extend(env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned)));
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let files = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    // Memory that only looks like a file lies "in" the root, which must not be allowed for that.
    folders.extend(files.filter_map(Path::parent).filter(|folder| folder.parent().is_some()).map(Path::to_owned));
    folders
}

/// Everything that is read again on a reload. A renewed file often comes by renaming, or behind a link that is turned: so the folder counts,
/// and also the one that a link leads into.
fn readable(config: &Config) -> BTreeSet<PathBuf> {
    let mut folders: BTreeSet<PathBuf> = config.process.read.iter().cloned().collect();
    let tls = config.tls.iter().flat_map(|(certificate, key)| [certificate, key]);
    let clients = config.listeners.iter().filter_map(|listener| listener.client_ca.as_ref().map(|(roots, _)| roots));
    let upstream = config.upstream.servers.iter().flat_map(|server| {
        let identity = server.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        server.ca.iter().chain(identity).chain(server.login.iter().map(|(_, password)| password))
    });
    for file in tls.chain(clients).chain(upstream).chain(&config.store.key_file).chain([&config.file]) {
        folders.extend(homes(file));
    }
    if let Some(rules) = &config.rules {
        folders.insert(rules.clone());
        if rules.is_symlink() {
            folders.extend(homes(rules));
        }
        folders.extend(links_below(rules));
    }
    folders
}

/// The folder of a file, and the folder of what it leads to.
fn homes(file: &Path) -> impl Iterator<Item = PathBuf> {
    let real = fs::canonicalize(file).ok();
    let folders = [Some(file), real.as_deref()].into_iter().flatten().filter_map(Path::parent);
    // A file in the root itself is allowed alone.
    let inner: Vec<PathBuf> = folders.filter(|folder| folder.parent().is_some()).map(Path::to_owned).collect();
    inner.into_iter().chain([file.to_owned()])
}

/// The folders that links in a folder lead into.
fn links_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            found.extend(homes(&path));
        } else if path.is_dir() {
            found.extend(links_below(&path));
        }
    }
    found
}

/// Ports that the guard connects to.
fn ports(config: &Config) -> BTreeSet<u16> {
    let servers = config.upstream.servers.iter().map(|server| match server.place {
        Place::Host { port, .. } | Place::Mx { port, .. } => port,
    });
    servers.chain(config.upstream.resolvers.iter().map(SocketAddr::port)).chain([DNS]).collect()
}
