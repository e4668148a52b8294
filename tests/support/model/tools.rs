//! From a turn to a call of one of the tools that the request declares: each engine names and shapes its own.

use super::script::Play;
use serde_json::{Map, Value, json};

/// Tools that run a command, the better before the worse.
const SHELLS: [&str; 6] = ["exec_command", "shell_command", "shell", "Bash", "run_shell_command", "bash"];
const WRITERS: [&str; 3] = ["Write", "write_file", "write"];
const COMMANDS: [&str; 2] = ["cmd", "command"];
const PATHS: [&str; 4] = ["file_path", "filePath", "path", "absolute_path"];

const PATCHES: [&str; 3] = ["patchText", "input", "patch"];

/// A tool as a request declares it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tool {
    pub name: String,
    pub namespace: Option<String>,
    pub shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// The JSON schema of its arguments.
    Schema(Value),
    /// Its one argument is text.
    Free,
}

/// What an answer calls; arguments that are a string belong to a tool of free form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub tool: String,
    pub namespace: Option<String>,
    pub arguments: Value,
}

/// The call that a turn makes with these tools; none for a turn that calls nothing.
pub(super) fn plan(play: &Play, tools: &[Tool]) -> Result<Option<Call>, String> {
    match play {
        Play::Shell(command) => command_call(command, tools).map(Some),
        Play::Write { path, content } => write_call(path, content, tools).map(Some),
        Play::Call { tool, arguments } => {
            let namespace = tools.iter().find(|one| one.name == *tool).and_then(|one| one.namespace.clone());
            Ok(Some(Call { tool: tool.clone(), namespace, arguments: arguments.clone() }))
        }
        Play::Text(_) | Play::Headers | Play::Error(_) | Play::Silence | Play::Stall | Play::Cut | Play::Fault(_) => {
            Ok(None)
        }
    }
}

fn command_call(command: &str, tools: &[Tool]) -> Result<Call, String> {
    if let Some((tool, schema)) = declared(tools, &SHELLS) {
        return Ok(tool.call(filled(schema, &[(&COMMANDS, command)])));
    }
    // An engine whose tools are functions of a JavaScript program.
    if let Some(tool) = tools.iter().find(|tool| tool.name == "exec" && tool.shape == Shape::Free) {
        let program =
            format!("const out = await tools.exec_command({});\ntext(out.output);\n", json!({"cmd": command}));
        return Ok(tool.call(Value::from(program)));
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    Err(format!("no tool runs a command among: {}", names.join(", ")))
}

fn write_call(path: &str, content: &str, tools: &[Tool]) -> Result<Call, String> {
    if let Some((tool, schema)) = declared(tools, &WRITERS) {
        return Ok(tool.call(filled(schema, &[(&PATHS, path), (&["content"], content)])));
    }
    if let Some(tool) = tools.iter().find(|tool| tool.name == "apply_patch") {
        let lines: String = content.lines().map(|line| format!("+{line}\n")).collect();
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n");
        return Ok(tool.call(match &tool.shape {
            Shape::Free => Value::from(patch),
            Shape::Schema(schema) => filled(schema, &[(&PATCHES, &patch)]),
        }));
    }
    let (path, content) = (quoted(path), quoted(content));
    command_call(&format!("mkdir -p \"$(dirname {path})\" && printf %s {content} > {path}"), tools)
}

fn declared<'a>(tools: &'a [Tool], names: &[&str]) -> Option<(&'a Tool, &'a Value)> {
    names.iter().find_map(|name| {
        tools.iter().find_map(|tool| match &tool.shape {
            Shape::Schema(schema) if tool.name == *name => Some((tool, schema)),
            Shape::Schema(_) | Shape::Free => None,
        })
    })
}

impl Tool {
    fn call(&self, arguments: Value) -> Call {
        Call { tool: self.name.clone(), namespace: self.namespace.clone(), arguments }
    }
}

/// Arguments under the names that the schema has for them, with something harmless for all else that it requires.
fn filled(schema: &Value, values: &[(&[&str], &str)]) -> Value {
    let mut arguments = Map::new();
    for (names, value) in values {
        let name = names.iter().find(|name| schema["properties"].get(**name).is_some()).unwrap_or(&names[0]);
        let list = kind(&schema["properties"][*name]) == "array";
        let value = if list { json!(["bash", "-lc", value]) } else { json!(value) };
        arguments.insert((*name).to_owned(), value);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            arguments.insert(name.to_owned(), harmless(&schema["properties"][name]));
        }
    }
    Value::Object(arguments)
}

/// Some value that a JSON schema allows.
pub(super) fn harmless(schema: &Value) -> Value {
    if let Some(fixed) = schema.get("const") {
        return fixed.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(one) = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema[*name].get(0)) {
        return harmless(one);
    }
    match kind(schema).as_str() {
        "string" => json!("scripted"),
        "boolean" => json!(false),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "array" => json!([]),
        "null" => Value::Null,
        _ => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            Value::Object(fields.map(|(name, schema)| (name.clone(), harmless(schema))).collect())
        }
    }
}

/// In lower case: one API writes its types in capitals. A list of types means its first.
fn kind(schema: &Value) -> String {
    let said = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    said.unwrap_or_default().to_ascii_lowercase()
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
