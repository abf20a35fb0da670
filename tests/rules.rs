//! Tests of the rule language from outside: texts in, verdicts and messages out.
//! They refuse to look inside the compiled set.

#[path = "rules/examples.rs"]
mod examples;
#[path = "rules/hostile.rs"]
mod hostile;
#[path = "rules/language.rs"]
mod language;
#[path = "rules/pages.rs"]
mod pages;
#[path = "rules/refused.rs"]
mod refused;
#[path = "rules/shipped.rs"]
mod shipped;
#[path = "rules/verdicts.rs"]
mod verdicts;
#[path = "rules/windows.rs"]
mod windows;
