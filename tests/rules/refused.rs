//! Every file in `refused/` must be refused with exactly the text beside it; set `UPDATE_GOLDEN=1` to write the texts anew and read the difference.
//! It refuses a fixture that compiles.

use sekisho::config::error::render_all;
use sekisho::rules::{Sources, compile};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[test]
fn broken_files_are_refused_with_a_caret_and_a_way_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/refused");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let lists = BTreeMap::from([("lists/bad.txt".to_owned(), "# domains\ngood.test\nno domain here\n".to_owned())]);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let files = BTreeMap::from([(name.clone(), text)]);
        let sources = Sources { files, lists: lists.clone(), ..Sources::default() };
        let Err(problems) = compile(&sources) else {
            wrong.push(format!("{name} is accepted"));
            continue;
        };
        let rendered = render_all(&problems, false);
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &rendered).unwrap();
        }
        let wanted = fs::read_to_string(&golden).unwrap_or_default();
        if rendered != wanted {
            wrong.push(format!("{name} says\n{rendered}\nbut should say\n{wanted}"));
        }
    }
    assert!(seen >= 25, "only {seen} fixtures");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
