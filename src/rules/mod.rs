//! The administrator's rules: from TOML text to a compiled set, from facts to a verdict.
//! It refuses to read files, clocks or mails; evaluation is total, pure and deterministic.

// From text to a set
mod compile;
mod document;
pub mod keys;
mod lists;
pub mod then;
mod when;
// The set
pub mod classes;
pub mod condition;
pub mod number;
mod set;
pub mod shipped;
pub mod text;
pub mod window;
// From facts to a verdict
mod evaluate;
mod explain;
mod need;
pub mod verdict;
mod view;
// Around the rules
pub mod example;
mod lint;
mod reference;
mod sample;
mod schema;

pub use compile::{Sources, compile};
pub use evaluate::evaluate;
pub use explain::{ConditionExplanation, RuleExplanation, explain};
pub use lint::lint;
pub use reference::{Language, reference};
pub use schema::schema;
pub use set::{Mode, Rule, RuleSet, Scope};
pub use window::{Counted, WindowQuery};
