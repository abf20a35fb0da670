//! The configuration file
//!  what it may say (file.rs) and what it means (resolved, valid by construction).:It refuses unknown keys and points at the line, the column and the nearest right spelling.

pub mod error;
