//! The person who decides about held mails with `sekisho held`, while the guard lives and while it does not.
//! It refuses to give up half: a command that was killed is given again, as a person would.

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;

use crate::signals::{Step, Steps};

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    AsIs,
    Bcc,
    Individual,
    Return,
}

impl Choice {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::AsIs => &["release", "--repair", "as-is"],
            Self::Bcc => &["release", "--repair", "bcc"],
            Self::Individual => &["release", "--repair", "individual"],
            Self::Return => &["return", "--comment", "please look again"],
        }
    }
}

pub struct Person {
    pub config: PathBuf,
    /// Ids of held mails, as clients hear them.
    pub held: Receiver<String>,
    /// A command is running.
    pub deciding: Arc<AtomicBool>,
    pub steps: Arc<Steps>,
    pub dice: Dice,
}

/// What was done.
#[derive(Default)]
pub struct Decisions {
    /// By mail id.
    pub made: BTreeMap<String, Choice>,
    /// Commands that were killed.
    pub killed: u64,
    /// Commands of two persons at once.
    pub rivals: u64,
}

impl Person {
    /// Decides about some of the mails until the clients are gone.
    pub fn run(mut self) -> Decisions {
        let mut decisions = Decisions::default();
        while let Ok(first) = self.held.recv() {
            // Who is slow looks at the newest first, and leaves the rest.
            let id = self.held.try_iter().last().unwrap_or(first);
            if decisions.made.contains_key(&id) || self.dice.percent(15) {
                continue;
            }
            let choice = match self.dice.below(8) {
                0 => Choice::AsIs,
                1 => Choice::Individual,
                2 => Choice::Return,
                _ => Choice::Bcc,
            };
            self.deciding.store(true, Ordering::SeqCst);
            self.steps.happened(Step::Deciding);
            self.decide(&id, choice, &mut decisions);
            self.deciding.store(false, Ordering::SeqCst);
            decisions.made.insert(id, choice);
        }
        decisions
    }

    fn decide(&mut self, id: &str, choice: Choice, decisions: &mut Decisions) {
        if self.dice.percent(20) {
            let mut child = self.start(id, choice);
            thread::sleep(self.dice.up_to(100));
            decisions.killed += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        } else if self.dice.percent(15) {
            let (one, other) = (self.start(id, choice), self.start(id, choice));
            let (one, other) = (one.wait_with_output().unwrap(), other.wait_with_output().unwrap());
            let told = format!("{}{}", said(&one), said(&other));
            assert!(!(one.status.success() && other.status.success()), "both decide about {id}");
            // Who is too late hears so, also when the clock was faster than both.
            assert!(told.contains(" already"), "nobody is too late for {id}: {told}");
            decisions.rivals += 1;
        }
        let output = self.start(id, choice).wait_with_output().unwrap();
        let said = said(&output);
        // Of a killed or doubled command this one hears that it has been done.
        assert!(output.status.success() || said.contains(" already"), "{id} {choice:?}: {said}");
    }

    fn start(&self, id: &str, choice: Choice) -> Child {
        let (command, rest) = choice.words().split_first().unwrap();
        Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .arg("held")
            .arg("--config")
            .arg(&self.config)
            .args([command, &id])
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
