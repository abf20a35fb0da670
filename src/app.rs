//! The composition root: builds every part from the configuration, starts and stops them in order.
//! It refuses to start half: a part that cannot start ends the program with its reason.
