//! What a request makes the provider fetch or look up for it: addresses, files, earlier answers.
//!
//! Such a thing lies outside of the body, so what it costs cannot be said before; and it is a way out of a sandbox that has
//! none, or a place that jobs could share. Walks through the content of all four APIs without keeping any of it, and counts
//! what is worth more tokens than it has bytes.

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

#[cfg(test)]
mod tests;
mod values;

pub(super) use values::{Compacts, Present};

use super::tools::Tools;
use arena_runtime::config::Api;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use values::{Audio, FileData, Link, Recorded};

/// No provider takes an image for more tokens, whatever its size in bytes.
const IMAGE: u64 = 8_000;
/// Nor a document, a recording or a film: as many pages or minutes as a provider reads at once.
const DOCUMENT: u64 = 400_000;

/// What was found in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// The first thing that lies elsewhere, in words.
    pub(super) elsewhere: Option<&'static str>,
    /// Tokens that its bytes do not tell of.
    pub(super) heavy: u64,
}

impl Found {
    fn and(self, other: Self) -> Self {
        Self { elsewhere: self.elsewhere.or(other.elsewhere), heavy: self.heavy.saturating_add(other.heavy) }
    }
}

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
    #[serde(alias = "video")]
    video_url: Link,
    audio_url: Link,
    input_audio: Recorded,
    file_url: Present,
    file_id: Present,
    file: Found,
    audio: Audio,
    #[serde(rename = "fileData", alias = "file_data")]
    file_data: FileData,
    #[serde(borrow, rename = "inlineData", alias = "inline_data")]
    inline_data: Option<Inline<'a>>,
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
    #[serde(borrow)]
    media_type: Cow<'a, str>,
    url: Present,
    file_id: Present,
    content: Found,
}

/// Of Gemini.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Inline<'a> {
    #[serde(borrow, rename = "mimeType", alias = "mime_type")]
    mime_type: Cow<'a, str>,
}

/// By what it says it is; the provider may look for itself, so only an image that says so is one.
fn weight(media_type: &str) -> u64 {
    let begins = |with: &str| media_type.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins("image/") { IMAGE } else { DOCUMENT }
}

impl Part<'_> {
    fn found(self) -> Found {
        let heavy = [
            if self.image_url == Link::Inside { IMAGE } else { 0 },
            if self.file_data == FileData::Inside { DOCUMENT } else { 0 },
            if self.video_url == Link::Inside || self.audio_url == Link::Inside { DOCUMENT } else { 0 },
            self.inline_data.as_ref().map_or(0, |inline| weight(&inline.mime_type)),
        ];
        let within = [self.content, self.output, self.parts, self.function_response, self.file];
        let source = self.source.as_ref().map(Source::found).unwrap_or_default();
        let all = within.into_iter().fold(source, Found::and);
        let own = Found { elsewhere: self.elsewhere(), heavy: heavy.iter().sum() };
        own.and(all)
    }

    fn elsewhere(&self) -> Option<&'static str> {
        let named = match self.kind.as_ref() {
            "item_reference" => Some("an earlier item by its id"),
            "container_upload" => Some("a file by its id"),
            _ => None,
        };
        named
            .or((self.image_url == Link::Elsewhere).then_some("an image by its address"))
            .or((self.video_url == Link::Elsewhere).then_some("a film by its address"))
            .or((self.audio_url == Link::Elsewhere || self.input_audio.0).then_some("a recording by its address"))
            .or(self.file_url.0.then_some("a file by its address"))
            .or(self.file_id.0.then_some("a file by its id"))
            .or((self.file_data == FileData::Elsewhere).then_some("a file by its address"))
            .or(self.audio.0.then_some("an earlier answer by its id"))
            .or(self.tools.refused(Api::Responses, &[]).map(|_| "a tool of the provider's within its messages"))
    }
}

impl Source<'_> {
    fn found(&self) -> Found {
        let is_inside = matches!(self.kind.as_ref(), "base64" | "text" | "content");
        let elsewhere = self.url.0 || self.file_id.0 || !is_inside;
        let heavy = if self.kind == "base64" { weight(&self.media_type) } else { 0 };
        let own = Found { elsewhere: elsewhere.then_some("a file or an image that is not in it"), heavy };
        own.and(self.content)
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
                let mut all = Found::default();
                while let Some(next) = list.next_element::<Found>()? {
                    all = all.and(next);
                }
                Ok(all)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Found, A::Error> {
                Part::deserialize(MapAccessDeserializer::new(map)).map(Part::found)
            }

            fn visit_str<E>(self, _: &str) -> Result<Found, E> {
                Ok(Found::default())
            }

            fn visit_unit<E>(self) -> Result<Found, E> {
                Ok(Found::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
                Ok(Found::default())
            }

            numbers!(Found::default());
        }
        deserializer.deserialize_any(Walk)
    }
}
