//! Charsets as Japanese mail really uses them: labels, aliases, and detection when the label is missing or wrong.
//! It refuses to guess silently: where two decodings differ, both are given.
