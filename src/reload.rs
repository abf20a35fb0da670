//! Reloading rules, lists and certificates: load fully, swap, or keep the old and say why.
//! It refuses to run with half a rule set.
