//! Small values of a request that are looked at and not kept.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Whether a value says anything: `null`, an empty list and an empty text do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Present(pub(in super::super) bool);

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

/// An address, which may be the data itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Link {
    #[default]
    None,
    Inside,
    Elsewhere,
}

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
                Ok(match (is_data, text.is_empty()) {
                    (true, _) => Link::Inside,
                    (false, true) => Link::None,
                    (false, false) => Link::Elsewhere,
                })
            }

            fn visit_unit<E>(self) -> Result<Link, E> {
                Ok(Link::None)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Link, A::Error> {
                let inner = Inner::deserialize(MapAccessDeserializer::new(map))?;
                Ok(if inner.file_id.0 { Link::Elsewhere } else { inner.url })
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Of Gemini an address; of the others the data itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FileData {
    #[default]
    None,
    Inside,
    Elsewhere,
}

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
                Ok(FileData::Elsewhere)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<FileData, A::Error> {
                IgnoredAny::deserialize(SeqAccessDeserializer::new(list)).map(|_| FileData::Elsewhere)
            }

            fn visit_str<E>(self, text: &str) -> Result<FileData, E> {
                Ok(if text.is_empty() { FileData::None } else { FileData::Inside })
            }

            fn visit_unit<E>(self) -> Result<FileData, E> {
                Ok(FileData::None)
            }

            fn visit_bool<E>(self, _: bool) -> Result<FileData, E> {
                Ok(FileData::None)
            }

            numbers!(FileData::None);
        }
        deserializer.deserialize_any(Look)
    }
}

/// Of Chat: `{"id": …}` is an earlier answer; `input_audio` holds the data itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Audio(pub(super) bool);

impl<'de> Deserialize<'de> for Audio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        FileData::deserialize(deserializer).map(|data| Audio(data == FileData::Elsewhere))
    }
}

/// Of Chat: `{"data": …}` that is an address after all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recorded(pub(super) bool);

impl<'de> Deserialize<'de> for Recorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize, Default)]
        #[serde(default)]
        struct Inner {
            data: Any,
        }
        let inner = Option::<Inner>::deserialize(deserializer)?.unwrap_or_default();
        let begins = |with: &str| inner.data.0.is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
        Ok(Self(begins("http")))
    }
}

/// The first four bytes of a text.
#[derive(Debug, Clone, Copy, Default)]
struct Any(Option<[u8; 4]>);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Any;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Any, E> {
                Ok(Any(text.as_bytes().first_chunk().copied()))
            }

            fn visit_unit<E>(self) -> Result<Any, E> {
                Ok(Any(None))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Whether a word in it asks for the conversation to be summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Compacts(pub(in super::super) bool);

impl<'de> Deserialize<'de> for Compacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Compacts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Compacts, A::Error> {
                let mut found = Compacts(false);
                while let Some(next) = list.next_element::<Compacts>()? {
                    found.0 |= next.0;
                }
                Ok(found)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Compacts, A::Error> {
                let mut found = Compacts(false);
                while let Some((_, next)) = map.next_entry::<IgnoredAny, Compacts>()? {
                    found.0 |= next.0;
                }
                Ok(found)
            }

            fn visit_str<E>(self, text: &str) -> Result<Compacts, E> {
                Ok(Compacts(text.starts_with("compact")))
            }

            fn visit_unit<E>(self) -> Result<Compacts, E> {
                Ok(Compacts(false))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Compacts, E> {
                Ok(Compacts(false))
            }

            numbers!(Compacts(false));
        }
        deserializer.deserialize_any(Look)
    }
}
