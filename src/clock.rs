//! The clock of the program, so that nothing else asks the system for the time.
//! It refuses to run backwards within one process.
