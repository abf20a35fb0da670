//! One accepted mail from end-of-data to reply; the only place that decides the order of effects.
//! It refuses to say 250 before the mail is safe.
