//! Rule files that were cut, doubled or scrambled: compiling always answers, with problems that can be shown.
//! It refuses to say what the answer must be.

use proptest::prelude::*;
use sekisho::config::error::render_all;
use sekisho::rules::{Sources, compile, evaluate};
use std::collections::BTreeMap;

const RULES: &str = concat!(
    "[lists]\ninternal = [\"example.jp\"]\nnewsletter-senders = []\nmanagers = [\"a@example.jp\"]\nwebmail = [\"gmail.com\"]\n",
    include_str!("../../rules/10-recipients.toml"),
    "\n",
    include_str!("refused/bad-kinds.toml"),
);

/// The text with one part taken out, or put in once more somewhere else.
fn scrambled() -> impl Strategy<Value = String> {
    (0..RULES.len(), 0..400_usize, 0..RULES.len(), any::<bool>(), "[\"'\\[\\]{}=,.関\\\\\n]{0,3}").prop_map(
        |(start, length, to, keep, extra)| {
            let start = RULES.floor_char_boundary(start);
            let end = RULES.ceil_char_boundary((start + length).min(RULES.len()));
            let part = &RULES[start..end];
            let rest = if keep { RULES.to_owned() } else { [&RULES[..start], &RULES[end..]].concat() };
            let to = rest.floor_char_boundary(to.min(rest.len()));
            [&rest[..to], part, &extra, &rest[to..]].concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_text_is_answered(text in scrambled()) {
        let files = BTreeMap::from([("scrambled.toml".to_owned(), text)]);
        match compile(&Sources { files, ..Sources::default() }) {
            Ok(set) => drop(evaluate(&set, &sekisho::facts::Facts::default())),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(render_all(&problems, true).contains("scrambled.toml"));
            }
        }
    }
}
