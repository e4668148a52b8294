//! What a request makes the provider fetch or look up for it: addresses, files, earlier answers.
//!
//! Such a thing lies outside of the body, so what it costs cannot be said before; and it is a way out of a sandbox that has
//! none, or a place that jobs could share. Walks through the content of all four APIs without keeping any of it.

use super::tools::Tools;
use arena_runtime::config::Api;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Visits of numbers.
macro_rules! numbers {
    ($value:expr) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// Visits of values that hold nothing inside.
macro_rules! plain {
    ($value:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        numbers!($value);
    };
}

/// The first such thing in a value, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found(pub(super) Option<&'static str>);

/// Whether a value says anything: `null`, an empty list and an empty text do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Present(pub(super) bool);

/// One message, item, block or part of any of the four.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    content: Found,
    output: Found,
    parts: Found,
    #[serde(rename = "functionResponse", alias = "function_response")]
    function_response: Found,
    image_url: Link,
    file_url: Present,
    file_id: Present,
    file: Found,
    audio: Audio,
    #[serde(rename = "fileData", alias = "file_data")]
    file_data: FileData,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    /// An engine that looked for tools says in an item what it found, and the model may call them from then on.
    tools: Tools,
}

/// Of Messages.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    url: Present,
    file_id: Present,
    content: Found,
}

impl Part<'_> {
    fn found(self) -> Option<&'static str> {
        let named = match self.kind.as_ref() {
            "item_reference" => Some("an earlier item by its id"),
            "container_upload" => Some("a file by its id"),
            _ => None,
        };
        named
            .or(self.image_url.0.then_some("an image by its address"))
            .or(self.file_url.0.then_some("a file by its address"))
            .or(self.file_id.0.then_some("a file by its id"))
            .or(self.file_data.0.then_some("a file by its address"))
            .or(self.audio.0.then_some("an earlier answer by its id"))
            .or_else(|| self.source.and_then(Source::found))
            .or(self.content.0)
            .or(self.output.0)
            .or(self.parts.0)
            .or(self.function_response.0)
            .or(self.file.0)
            .or(self.tools.refused(Api::Responses, &[]).map(|_| "a tool of the provider's within its messages"))
    }
}

impl Source<'_> {
    fn found(self) -> Option<&'static str> {
        let is_inside = matches!(self.kind.as_ref(), "base64" | "text" | "content");
        let elsewhere = self.url.0 || self.file_id.0 || !is_inside;
        elsewhere.then_some("a file or an image that is not in it").or(self.content.0)
    }
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Found;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("content")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
                let mut first = Found::default();
                while let Some(next) = list.next_element::<Found>()? {
                    first.0 = first.0.or(next.0);
                }
                Ok(first)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Found, A::Error> {
                Part::deserialize(MapAccessDeserializer::new(map)).map(|part| Found(part.found()))
            }

            plain!(Found::default());
        }
        deserializer.deserialize_any(Walk)
    }
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Present;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Present, A::Error> {
                let mut is_empty = true;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    is_empty = false;
                }
                Ok(Present(!is_empty))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Present, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Present(true))
            }

            fn visit_str<E>(self, text: &str) -> Result<Present, E> {
                Ok(Present(!text.is_empty()))
            }

            fn visit_unit<E>(self) -> Result<Present, E> {
                Ok(Present(false))
            }

            fn visit_bool<E>(self, said: bool) -> Result<Present, E> {
                Ok(Present(said))
            }

            numbers!(Present(true));
        }
        deserializer.deserialize_any(Look)
    }
}

/// An address that is not the data itself.
#[derive(Debug, Clone, Copy, Default)]
struct Link(bool);

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize, Default)]
        #[serde(default)]
        struct Inner {
            url: Link,
            file_id: Present,
        }
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Link;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address")
            }

            fn visit_str<E>(self, text: &str) -> Result<Link, E> {
                let is_data = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
                Ok(Link(!is_data && !text.is_empty()))
            }

            fn visit_unit<E>(self) -> Result<Link, E> {
                Ok(Link(false))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Link, A::Error> {
                let inner = Inner::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Link(inner.url.0 || inner.file_id.0))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Of Gemini an address; of the others the data itself.
#[derive(Debug, Clone, Copy, Default)]
struct FileData(bool);

impl<'de> Deserialize<'de> for FileData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = FileData;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FileData, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(FileData(true))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<FileData, A::Error> {
                IgnoredAny::deserialize(SeqAccessDeserializer::new(list)).map(|_| FileData(true))
            }

            plain!(FileData(false));
        }
        deserializer.deserialize_any(Look)
    }
}

/// Of Chat: `{"id": …}` is an earlier answer; `input_audio` holds the data itself.
#[derive(Debug, Clone, Copy, Default)]
struct Audio(bool);

impl<'de> Deserialize<'de> for Audio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        FileData::deserialize(deserializer).map(|data| Audio(data.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&'static str> {
        serde_json::from_str::<Found>(text).unwrap().0
    }

    #[test]
    fn what_is_elsewhere_is_found_wherever_it_stands() {
        let rows = [
            r#"[{"type":"message","content":[{"type":"input_image","image_url":"https://x/a.png"}]}]"#,
            r#"[{"type":"message","content":[{"type":"input_image","file_id":"file-1"}]}]"#,
            r#"[{"type":"message","content":[{"type":"input_file","file_url":"https://x/a"}]}]"#,
            r#"[{"type":"function_call_output","output":[{"type":"input_image","image_url":"HTTP://x"}]}]"#,
            r#"[{"type":"item_reference","id":"rs_1"}]"#,
            r#"[{"type":"tool_search_output","tools":[{"type":"mcp","server_url":"https://x"}]}]"#,
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#,
            r#"[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#,
            r#"[{"role":"assistant","audio":{"id":"a"}}]"#,
            r#"[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]"#,
            r#"[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]"#,
            r#"[{"content":[{"type":"tool_result","content":[{"type":"image","source":{"url":"https://x"}}]}]}]"#,
            r#"[{"content":[{"source":{"type":"content","content":[{"source":{"type":"url"}}]}}]}]"#,
            r#"[{"content":[{"type":"container_upload","file_id":"f"}]}]"#,
            r#"[{"parts":[{"fileData":{"fileUri":"gs://x"}}]}]"#,
            r#"{"parts":[{"file_data":{"file_uri":"https://x"}}]}"#,
            r#"[{"parts":[{"functionResponse":{"name":"f","parts":[{"fileData":{"fileUri":"x"}}]}}]}]"#,
        ];
        for text in rows {
            assert!(found(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_in_the_body_and_what_tools_are_asked_is_not() {
        let rows = [
            r#""hello""#,
            "null",
            r#"[{"type":"tool_search_output","tools":[{"type":"namespace","tools":[{"type":"function"}]}]}]"#,
            r#"[{"type":"message","role":"user","content":"https://x"}]"#,
            r#"[{"content":[{"type":"input_image","image_url":"data:image/png;base64,AA","detail":"auto"}]}]"#,
            r#"[{"content":[{"type":"image_url","image_url":{"url":"DATA:image/png;base64,AA"}}]}]"#,
            r#"[{"content":[{"type":"input_file","file_data":"data:…","filename":"a","file_id":null}]}]"#,
            r#"[{"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}]}]"#,
            r#"[{"content":[{"type":"tool_use","id":"t","input":{"file_id":"f","source":{"type":"url"}}}]}]"#,
            r#"[{"type":"function_call","arguments":"{\"image_url\":\"https://x\"}"},{"output":"https://x"}]"#,
            r#"[{"parts":[{"inlineData":{"data":"AA"}},{"functionCall":{"args":{"fileData":{}}}}]}]"#,
            r#"[{"parts":[{"functionResponse":{"name":"f","response":{"output":{"file_id":"x"}}}}]}]"#,
        ];
        for text in rows {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_take_differently_cannot_be_read() {
        for text in [
            r#"[{"image_url":"data:a","image_url":"https://x"}]"#,
            r#"[{"fileData":null,"file_data":{"fileUri":"x"}}]"#,
            r#"[{"type":["item_reference"]}]"#,
            r#"[{"image_url":["https://x"]}]"#,
        ] {
            assert!(serde_json::from_str::<Found>(text).is_err(), "{text}");
        }
    }
}
