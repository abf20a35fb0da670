//! The recipients a mail client would show, read by two readers.
//! It refuses to choose between them: where they differ, the fact says so.
