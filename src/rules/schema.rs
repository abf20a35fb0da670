//! The JSON Schema of a rule file, so that editors complete keys and mark mistakes while an administrator types.
//! It refuses to be the judge: it knows shapes only, and `sekisho rules check` says what a file means.

use super::classes::Class;
use super::keys::{self, Key, Takes};
use super::window::Counted;
use serde_json::{Map, Value, json};

/// A comparison in a string.
const COMPARISON: &str = r"^\s*(>=|<=|!=|==|>|<|=)\s*[0-9][0-9_,]*\s*([kKmMgG]?[bB])?\s*$";
/// A duration in a string.
const DURATION: &str = r"^\s*[0-9]+\s*[smhdwSMHDW]\s*$";

/// The schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sekisho rules",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "lists": {
                "description": "Named lists of domains, addresses, words or networks.",
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/list" },
            },
            "rule": { "type": "array", "items": { "$ref": "#/$defs/rule" } },
            "example": { "type": "array", "items": { "$ref": "#/$defs/example" } },
        },
        "$defs": {
            "list": {
                "anyOf": [
                    { "type": "array", "items": { "type": "string" } },
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["file"],
                        "properties": { "file": strings(), "add": { "type": "array", "items": { "type": "string" } } },
                    },
                ],
            },
            "rule": rule(),
            "conditions": conditions(),
            "outcomes": outcomes(),
            "example": example(),
        },
    })
}

fn rule() -> Value {
    let title = json!({
        "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": { "en": { "type": "string" }, "ja": { "type": "string" } },
            },
        ],
    });
    let shapes = |name: &str| match name {
        "id" => json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" }),
        "title" => title.clone(),
        "mode" => json!({ "enum": ["off", "observe", "enforce"] }),
        "scope" => json!({ "enum": ["mail", "recipient"] }),
        "then" => json!({ "$ref": "#/$defs/outcomes" }),
        _ => json!({ "$ref": "#/$defs/conditions" }),
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "when", "then"],
        "properties": described(keys::RULE, shapes),
    })
}

/// A table of plain keys with their shapes and English descriptions.
fn described(table: &[keys::Plain], shape: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = table
        .iter()
        .map(|(name, en, ..)| {
            let mut shape = shape(name);
            if let Some(object) = shape.as_object_mut() {
                object.insert("description".to_owned(), json!(en));
            }
            ((*name).to_owned(), shape)
        })
        .collect();
    Value::Object(properties)
}

fn conditions() -> Value {
    let mut properties = Map::new();
    let mut families: Map<String, Value> = Map::new();
    let mut patterns = Map::new();
    for key in keys::CONDITIONS {
        let mut value = shape(key.takes);
        if let Some(object) = value.as_object_mut() {
            object.insert("description".to_owned(), json!(key.en));
        }
        match key.name.split_once('.') {
            None => {
                properties.insert(key.name.to_owned(), value);
            }
            Some((family, member)) => {
                patterns.insert(format!("^{family}\\.{}$", member_pattern(family, member)), value.clone());
                let inner = families.entry(family.to_owned()).or_insert_with(|| json!({}));
                add_member(inner, family, member, &value);
            }
        }
    }
    for (family, members) in families {
        let mut object = json!({ "type": "object", "additionalProperties": false });
        if family == "header" {
            object["additionalProperties"] = shape(Takes::Text);
        } else {
            object["properties"] = members;
        }
        properties.insert(family, object);
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "properties": properties,
        "patternProperties": patterns,
    })
}

fn add_member(members: &mut Value, family: &str, member: &str, shape: &Value) {
    if family == "data" {
        for word in keys::data_words() {
            members[word] = shape.clone();
        }
    } else {
        members[member] = shape.clone();
    }
}

/// The members of a family written with a dot in quotes: `"data.my_number"`.
fn member_pattern(family: &str, member: &str) -> String {
    match family {
        "data" => format!("({})", keys::data_words().join("|")),
        "header" => ".+".to_owned(),
        _ => member.to_owned(),
    }
}

/// The shape of what a condition takes.
fn shape(takes: Takes) -> Value {
    match takes {
        Takes::Number => one_or_many(&comparison()),
        Takes::Flag => json!({ "type": "boolean" }),
        Takes::FlagOrNumber => json!({ "anyOf": [{ "type": "boolean" }, one_or_many(&comparison())] }),
        Takes::FlagOrText => json!({ "anyOf": [{ "type": "boolean" }, strings()] }),
        Takes::Address => {
            let classes = Class::ALL.map(Class::as_str);
            one_or_many(&json!({ "anyOf": [{ "enum": classes }, { "type": "string", "pattern": "[@.]|^<>$" }] }))
        }
        Takes::Text | Takes::Network | Takes::FileKind => strings(),
        Takes::Word(words) => one_or_many(&json!({ "enum": words() })),
        Takes::Window => one_or_many(&json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["of", "hours", "value"],
            "properties": {
                "of": { "enum": Counted::ALL.map(Counted::as_str) },
                "to": { "enum": Class::ALL.map(Class::as_str) },
                "hours": { "type": "integer", "minimum": 1, "maximum": 9600 },
                "value": comparison(),
            },
        })),
        Takes::Time => one_or_many(&json!({
            "anyOf": [
                { "enum": ["office_hours", "outside_office_hours", "weekend", "holiday"] },
                { "type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$" },
            ],
        })),
        Takes::Table => json!({ "$ref": "#/$defs/conditions" }),
        Takes::Tables => one_or_many(&json!({ "$ref": "#/$defs/conditions" })),
    }
}

fn comparison() -> Value {
    json!({ "type": "string", "pattern": COMPARISON })
}

fn strings() -> Value {
    one_or_many(&json!({ "type": "string" }))
}

fn one_or_many(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
}

fn outcomes() -> Value {
    let duration = json!({ "type": "string", "pattern": DURATION });
    let shapes = |name: &str| match name {
        "log" | "bcc" | "individual" => json!({ "type": "boolean" }),
        "tag" => json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "subject": strings(), "header": strings() },
        }),
        "delay" | "expires" => duration.clone(),
        "internal" => json!({ "enum": ["now", "wait"] }),
        "hold" => json!({ "enum": ["sender", "approver", "admin"] }),
        "repairs" => one_or_many(&json!({ "enum": ["bcc", "individual", "as_is", "cancel"] })),
        "approvals" => json!({ "type": "integer", "minimum": 1 }),
        "escalate" => one_or_many(&json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["after", "to"],
            "properties": { "after": duration, "to": strings() },
        })),
        "on_expiry" => json!({ "enum": ["return", "release", "escalate"] }),
        "block" => json!({ "enum": [true, "reply", "notice"] }),
        _ => strings(),
    };
    json!({
        "anyOf": [
            { "enum": ["log", "bcc", "individual", "block"] },
            { "type": "object", "additionalProperties": false, "minProperties": 1, "properties": described(keys::OUTCOMES, shapes) },
        ],
    })
}

fn example() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["expect"],
        "properties": {
            "rule": { "type": "string" },
            "mail": { "type": "object" },
            "facts": { "type": "object" },
            "file": { "type": "string" },
            "note": { "type": "string" },
            "expect": {
                "enum": [
                    "pass", "log", "tag", "notify", "delay", "bcc", "individual", "hold", "hold_sender", "hold_approver",
                    "hold_admin", "block",
                ],
            },
        },
    })
}

/// What a condition takes, in a few words of each language; for the reference.
pub(super) fn takes_words(key: &Key) -> (&'static str, &'static str) {
    match key.takes {
        Takes::Number => ("comparison", "比較"),
        Takes::Flag => ("true / false", "true / false"),
        Takes::FlagOrNumber => ("true / false, comparison", "true / false、比較"),
        Takes::Address => ("class, @list, domain, address", "区分、@リスト、ドメイン、アドレス"),
        Takes::Text => ("word, /expression/, @list", "言葉、/正規表現/、@リスト"),
        Takes::FlagOrText => ("true / false, word, /expression/", "true / false、言葉、/正規表現/"),
        Takes::Network => ("network, @list", "ネットワーク、@リスト"),
        Takes::Word(_) => ("one of the words below", "下の語のいずれか"),
        Takes::FileKind => ("kind of file", "ファイルの種類"),
        Takes::Window => ("{ of, to, hours, value }", "{ of, to, hours, value }"),
        Takes::Time => ("part of the week, \"08:30-17:15\"", "時間帯、\"08:30-17:15\""),
        Takes::Table => ("table of conditions", "条件の表"),
        Takes::Tables => ("list of tables", "条件の表の並び"),
    }
}
