//! What is generated from the table of keys: the reference pages are current, and the schema takes the shipped rules and refuses mistakes.
//! It refuses a page that was edited by hand; set `UPDATE_GOLDEN=1` to write the pages anew.

use sekisho::rules::{Language, keys, reference, schema};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn the_reference_pages_are_current() {
    for (language, name) in [(Language::English, "rules-reference.md"), (Language::Japanese, "rules-reference.ja.md")] {
        let path = root().join("docs").join(name);
        let page = reference(language);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &page).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap_or_default() == page, "{name} is not current");
        for key in keys::CONDITIONS {
            assert!(page.contains(&format!("| `{}` |", key.name)), "{} in {name}", key.name);
        }
        for line in page.lines().filter(|line| line.starts_with('|')) {
            let bars = line.replace("\\|", "").matches('|').count();
            assert!((3..=5).contains(&bars), "{line}");
        }
    }
}

fn is_match(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}

/// Checks a value against the part of JSON Schema that the schema uses; answers the first place that does not fit.
fn check(root: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let fail = |why: &str| Err(format!("{place}: {why}"));
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).ok_or_else(|| format!("no {name}"))?;
        return check(root, target, value, place);
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let failures: Vec<String> =
            choices.iter().filter_map(|choice| check(root, choice, value, place).err()).collect();
        return if failures.len() < choices.len() { Ok(()) } else { fail(&failures.join(" / ")) };
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return if words.contains(value) { Ok(()) } else { fail("not one of the words") };
    }
    let right_type = match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64(),
        _ => true,
    };
    if !right_type {
        return fail("wrong type");
    }
    if let (Some(pattern), Some(text)) = (schema.get("pattern").and_then(Value::as_str), value.as_str())
        && !is_match(pattern, text)
    {
        return fail("wrong form");
    }
    for item in value.as_array().into_iter().flatten() {
        if let Some(items) = schema.get("items") {
            check(root, items, item, &format!("{place}[]"))?;
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        let named = schema.get("properties").and_then(|all| all.get(key));
        let matching = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        let found = named.or_else(|| matching.filter(|(pattern, _)| is_match(pattern, key)).map(|(_, one)| one).next());
        match (found, schema.get("additionalProperties")) {
            (Some(one), _) => check(root, one, inner, &place)?,
            (None, Some(Value::Bool(false))) => return Err(format!("{place}: unknown")),
            (None, Some(one)) if one.is_object() => check(root, one, inner, &place)?,
            _ => {}
        }
    }
    for needed in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if value.get(needed.as_str().unwrap_or_default()).is_none() {
            return fail(&format!("{needed} is missing"));
        }
    }
    Ok(())
}

fn checked(text: &str) -> Result<(), String> {
    let value: Value = toml::from_str(text).map_err(|error| error.to_string())?;
    let schema = schema();
    check(&schema, &schema, &value, "file")
}

#[test]
fn the_schema_takes_the_shipped_rules() {
    for entry in fs::read_dir(root().join("rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            checked(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        }
    }
}

#[test]
fn the_schema_takes_every_key_with_its_example() {
    for key in keys::CONDITIONS {
        let text = format!("[[rule]]\nid = \"x\"\nthen = \"log\"\n[rule.when]\n{}\n", key.example);
        checked(&text).unwrap_or_else(|why| panic!("{}: {why}", key.name));
    }
    for (name, .., example) in keys::OUTCOMES {
        let then = if example.starts_with("then") { (*example).to_owned() } else { format!("then = {{ {example} }}") };
        checked(&format!("[[rule]]\nid = \"x\"\nwhen = {{ persons = \">= 1\" }}\n{then}\n"))
            .unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    checked("[[rule]]\nid = \"x\"\nthen = \"log\"\nwhen = { \"header.X-Y\" = \"z\", \"data.phone\" = \">= 1\" }\n")
        .unwrap();
}

#[test]
fn the_schema_refuses_mistakes() {
    for (when, then) in [
        ("visible_exernal = \">= 10\"", "\"log\""),
        ("persons = 10", "\"log\""),
        ("persons = \"10\"", "\"log\""),
        ("to = \"webmial\"", "\"log\""),
        ("data.my_nubmer = \">= 1\"", "\"log\""),
        ("mail_kind = \"recal\"", "\"log\""),
        ("any = [{ persons = 1 }]", "\"log\""),
        ("persons = \">= 1\"", "\"blok\""),
        ("persons = \">= 1\"", "{ hold = \"boss\" }"),
        ("persons = \">= 1\"", "{ delay = \"soon\" }"),
    ] {
        let text = format!("[[rule]]\nid = \"x\"\nwhen = {{ {when} }}\nthen = {then}\n");
        assert!(checked(&text).is_err(), "{text}");
    }
    assert!(checked("[[rule]]\nid = \"x\"\nthen = \"log\"\n").is_err());
}
