//! What a request's messages hold, read without building them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::request::kind_of;

/// The facts of all messages together.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(crate) count: u32,
    pub(crate) text_bytes: usize,
    pub(crate) images: bool,
}

impl Messages {
    pub(crate) fn parse(raw: &RawValue) -> Result<Self, ApiError> {
        if !raw.get().starts_with('[') {
            return Err(ApiError::invalid_type("messages", "an array of objects", kind_of(raw)));
        }
        let mut found = Self::default();
        let mut parser = serde_json::Deserializer::from_str(raw.get());
        MessagesSeed(&mut found).deserialize(&mut parser).map_err(|_| {
            ApiError::invalid_value(
                format!("messages[{}]", found.count),
                "an object whose content is a string, null or an array of parts, no field twice",
            )
        })?;
        if found.count == 0 {
            return Err(ApiError::invalid_value("messages", "at least one message"));
        }
        Ok(found)
    }
}

struct MessagesSeed<'s>(&'s mut Messages);

impl<'de> DeserializeSeed<'de> for MessagesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MessagesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(message) = seq.next_element::<Message<'de>>()? {
            self.0.count = self.0.count.saturating_add(1);
            let texts = [message.role, message.name, message.refusal, message.reasoning_content];
            let mut bytes: usize = texts.iter().flatten().map(|text| text.len()).sum();
            bytes = bytes.saturating_add(message.tool_calls.map_or(0, |raw| raw.get().len()));
            if let Some(content) = message.content {
                bytes = bytes.saturating_add(content.text_bytes);
                self.0.images |= content.images;
            }
            self.0.text_bytes = self.0.text_bytes.saturating_add(bytes);
        }
        Ok(())
    }
}

/// `Option` takes null as absent; unknown fields are skipped; known ones must not repeat.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    content: Option<Content>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Default)]
struct Content {
    text_bytes: usize,
    images: bool,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content { text_bytes: text.len(), images: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
                let mut content = Content::default();
                while let Some(part) = seq.next_element::<Part<'de>>()? {
                    let text = part.text.map_or(0, |text| text.len());
                    content.text_bytes = content.text_bytes.saturating_add(text);
                    content.images |= matches!(&*part.kind, "image_url" | "input_image" | "image");
                }
                Ok(content)
            }
        }

        from.deserialize_any(Read)
    }
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}
