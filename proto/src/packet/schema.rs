//! The JSON schema of a packet, for completion and help in editors; made from the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, Need, child, children};

const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$";
const SIZE: &str = r"^[0-9]+(\.[0-9]+)?(B|[kKMGT]B|[KMGT]iB)$";
const SHARE: &str = r"^[0-9]+(\.[0-9]+)?%$";
const NAME: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// Draft 2020-12.
pub fn json_schema() -> Value {
    let mut schema = object("");
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!("Arena packet"));
    Value::Object(schema)
}

/// One table: its keys and no others.
fn object(parent: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in children(parent) {
        properties.insert(key.leaf().into(), described(key));
        if key.need != Need::Optional {
            required.push(json!(key.leaf()));
        }
    }
    let mut table = Map::new();
    table.insert("type".into(), json!("object"));
    table.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        table.insert("required".into(), Value::Array(required));
    }
    table.insert("additionalProperties".into(), json!(false));
    table
}

fn described(key: &Key) -> Value {
    let mut schema = shape(key);
    schema["description"] = json!(key.doc);
    if let Some(default) = key.default.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        schema["default"] = default;
    }
    schema
}

fn shape(key: &Key) -> Value {
    match key.kind {
        Kind::Table => Value::Object(object(key.path)),
        Kind::Tables(most) => json!({ "type": "array", "maxItems": most, "items": object(key.path) }),
        Kind::Named(most) => json!({
            "type": "object",
            "maxProperties": most,
            "propertyNames": { "pattern": NAME },
            "additionalProperties": object(&format!("{}.*", key.path)),
        }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => or_unknown(json!({ "type": "array", "items": { "type": "string" } })),
        Kind::Words => json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
        Kind::Whole { least, most } => or_unknown(json!({ "type": "integer", "minimum": least, "maximum": most })),
        Kind::Number { least: Some(least) } => or_unknown(json!({ "type": "number", "minimum": least })),
        Kind::Number { least: None } => or_unknown(json!({ "type": "number" })),
        Kind::Switch => or_unknown(json!({ "type": "boolean" })),
        Kind::Duration => or_unknown(json!({ "type": "string", "pattern": DURATION })),
        Kind::Size => or_unknown(json!({ "type": "string", "pattern": SIZE })),
        Kind::Share => share(json!({ "type": "number", "minimum": 0, "maximum": 1 })),
        Kind::Confidence => share(json!({ "type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1 })),
        Kind::OneOf(names) => json!({ "enum": names.iter().copied().chain(["unknown"]).collect::<Vec<_>>() }),
        Kind::Source(names) => source(key.path, names),
    }
}

fn or_unknown(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "const": "unknown" }] })
}

fn share(number: Value) -> Value {
    json!({ "anyOf": [number, { "type": "string", "pattern": SHARE }, { "const": "unknown" }] })
}

/// One of the names, or a table with exactly one of the ways to read a number.
fn source(path: &str, names: &[&str]) -> Value {
    let way = |leaf: &str| {
        let schema = child(path, leaf).map(described);
        json!({ "type": "object", "properties": { leaf: schema }, "required": [leaf], "additionalProperties": false })
    };
    let ways: Vec<Value> = children(path).map(|key| way(key.leaf())).collect();
    json!({ "anyOf": std::iter::once(json!({ "enum": names })).chain(ways).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::super::keys::KEYS;
    use super::*;

    #[test]
    fn the_schema_describes_every_key_of_the_table() {
        let schema = json_schema();
        for key in KEYS {
            let mut pointer = String::new();
            let mut parent = String::new();
            for part in key.path.split('.') {
                let kind = KEYS.iter().find(|one| one.path == parent).map(|one| one.kind);
                match (part, kind) {
                    ("*", _) => pointer.push_str("/additionalProperties"),
                    (_, Some(Kind::Tables(_))) => pointer.push_str(&format!("/items/properties/{part}")),
                    ("json", _) => pointer.push_str("/anyOf/1/properties/json"),
                    ("regex", _) => pointer.push_str("/anyOf/2/properties/regex"),
                    _ => pointer.push_str(&format!("/properties/{part}")),
                }
                parent = if parent.is_empty() { part.into() } else { format!("{parent}.{part}") };
            }
            assert!(schema.pointer(&pointer).is_some(), "{} is not at {pointer}", key.path);
        }
    }

    #[test]
    fn no_table_of_the_schema_takes_a_key_it_does_not_name() {
        let schema = json_schema();
        for pointer in ["", "/properties/session", "/properties/kpi/items", "/properties/engine/additionalProperties"] {
            let table = schema.pointer(pointer).unwrap();
            assert_eq!(table["additionalProperties"], json!(false), "{pointer}");
        }
        assert_eq!(schema["required"], json!(["session", "brief", "scope"]));
        assert_eq!(schema["properties"]["session"]["properties"]["parallel"]["default"], json!(3));
        let modes = &schema["properties"]["session"]["properties"]["mode"]["enum"];
        assert_eq!(modes, &json!(["solo", "team", "quick", "auto", "unknown"]));
    }
}
